@testable import ConnectionRegistry
import Foundation
import RegistryModel
import TestDatabase
import Testing

/// One app user turns out to be another, over HTTP.
@Suite(.migratedDatabase) struct MergeTests {
  private static func merge(
    _ http: HTTPStage, _ from: String, into: String, key: String, headers: [(String, String)] = []
  ) async throws -> HTTPStage.Answer {
    try await http.send(
      "POST", "/v1/app-users/\(from)/merge", key: key, json: #"{"into":"\#(into)"}"#, headers: headers)
  }

  @Test func everySurfaceShowsTheOtherAppUser() async throws {
    try await withHTTP { http in
      let key = try await http.key(.connectionsRead, .connectionsWrite)
      let session = try await http.stage.open("FITBIT", reference: "anonymous")
      let userID = try #require(session.session.userID)
      try await http.stage.deliver(Payload.auth(userID, reference: "anonymous"))
      try await http.stage.deliver(Payload.auth("u-2", reference: "signed-in", resource: "GARMIN"))
      let merged = try await Self.merge(http, "anonymous", into: "signed-in", key: key)
      #expect(merged.status == 200, "\(merged.text)")
      #expect(merged.text("reference_id") == "signed-in")
      #expect((merged["connections"] as? [Any])?.count == 2)
      // What comes later still names the old id.
      try await http.stage.deliver(Payload.auth("u-3", reference: "anonymous", resource: "OURA"))

      let of = try await http.items("/v1/connections?reference_id=signed-in", key: key)
      #expect(Set(of.compactMap { $0["user_id"] as? String }) == [userID, "u-2", "u-3"])
      let all = try await http.items("/v1/connections", key: key)
      #expect(all.count == 3 && all.allSatisfy { $0["reference_id"] as? String == "signed-in" })
      #expect(try await http.items("/v1/connections?reference_id=anonymous", key: key).isEmpty)
      for id in [userID, "u-2", "u-3"] {
        let shown = try await http.send("GET", "/v1/connections/\(id)", key: key)
        #expect(shown.text("connection.reference_id") == "signed-in")
      }
      // Changes are held back while anybody writes in the same database cluster.
      var (changes, cursor): ([[String: Any]], String?) = ([], nil)
      while changes.count < 3 {
        let page = try await http.send(
          "GET", "/v1/changes?wait=60" + (cursor.map { "&after=\($0)" } ?? ""), key: key)
        try #require(page.status == 200, "\(page.text)")
        changes += page.items()
        cursor = page.text("cursor")
      }
      for change in changes {
        #expect(change["reference_id"] as? String == "signed-in", "\(change)")
      }
      let sessions = try await http.items("/v1/sessions?reference_id=signed-in", key: key)
      #expect(sessions.compactMap { $0["session_id"] as? String } == [session.id.text])
      #expect(sessions.first?["reference_id"] as? String == "signed-in")
      let person = try await http.send("GET", "/v1/app-users/anonymous", key: key)
      #expect(person.text("merged_into") == "signed-in" && (person["connections"] as? [Any])?.isEmpty == true)
      let people = try await http.items("/v1/app-users", key: key)
      #expect(people.compactMap { $0["merged_into"] as? String } == ["signed-in"])
      // Facts keep what they say.
      let events = try await http.items("/v1/events?reference_id=anonymous", key: key)
      #expect(events.count == 2)
      // The session's event names the merged one: the two are one app user.
      #expect(try await http.send("GET", "/v1/sessions/\(session.id.text)", key: key).text("status") == "completed")
    }
  }

  @Test func tagsMoveWithAMergeAndTheOthersOwnStay() async throws {
    try await withHTTP { http in
      let key = try await http.key(.connectionsRead, .connectionsWrite)
      for id in ["a", "b", "c"] { try await http.stage.deliver(Payload.auth("u-\(id)", reference: id)) }
      for (id, tags) in [
        ("a", #"{"plan":"trial","source":"app"}"#), ("b", #"{"plan":"pro"}"#), ("c", #"{"team":"x"}"#),
      ] {
        let set = try await http.send("PATCH", "/v1/app-users/\(id)", key: key, json: #"{"tags":\#(tags)}"#)
        #expect(set.status == 200, "\(set.text)")
      }
      for _ in 1...2 {
        let merged = try await Self.merge(http, "a", into: "b", key: key)
        #expect(merged["tags"] as? [String: String] == ["plan": "pro", "source": "app"], "\(merged.text)")
      }
      let old = try await http.send("GET", "/v1/app-users/a", key: key)
      #expect(old["tags"] as? [String: String] == [:], "\(old.text)")
      // What is refused moves nothing.
      #expect(try await Self.merge(http, "a", into: "c", key: key).status == 409)
      #expect(try await http.send("GET", "/v1/app-users/c", key: key)["tags"] as? [String: String] == ["team": "x"])
    }
  }

  @Test func aMergeIsAuditedOnce() async throws {
    try await withHTTP { http in
      for id in ["a", "b"] { try await http.stage.deliver(Payload.auth("u-\(id)", reference: id)) }
      let made = try await http.stage.registry.keys.create(
        tenant: "acme", name: "tests", scopes: [.connectionsWrite, .connectionsRead])
      let first = try await Self.merge(http, "a", into: "b", key: made.secret)
      let second = try await Self.merge(http, "a", into: "b", key: made.secret)
      #expect(first.status == 200 && second.status == 200)
      #expect(first.body == second.body)
      let audit = try await http.stage.texts(
        "SELECT actor || ' ' || action || ' ' || subject || ' ' || detail::text FROM registry.audit_entry "
          + "WHERE action NOT LIKE 'api_key.%'")
      #expect(audit == [#"key:\#(made.key.keyID.text) app_user.merge a {"into": "b"}"#])
    }
  }

  @Test func aMergeResolvesTheConflictBetweenTheTwo() async throws {
    try await withHTTP { http in
      let key = try await http.key(.connectionsRead, .connectionsWrite, .findingsRead, .findingsWrite)
      try await http.stage.deliver(Payload.auth("u-1", reference: "anonymous"))
      try await http.stage.deliver(Payload.auth("u-1", reference: "signed-in"))
      func kinds() async throws -> [String] {
        _ = try await http.stage.registry.reconciliations.run(tenant: "acme")
        return try await http.items("/v1/findings", key: key).compactMap { $0["kind"] as? String }
      }
      #expect(try await kinds().contains("reference_conflict"))
      #expect(try await Self.merge(http, "anonymous", into: "signed-in", key: key).status == 200)
      #expect(try await !kinds().contains("reference_conflict"))
      let gone = try await http.items("/v1/findings?kind=reference_conflict&status=vanished,repaired", key: key)
      #expect(gone.count == 1)
    }
  }

  @Test func aMergeMakesTwoLiveIdsOfOneResourceADuplicate() async throws {
    var settings = StageSettings()
    settings.grace = .seconds(1)
    try await withHTTP(settings) { http in
      let key = try await http.key(.connectionsWrite)
      for id in ["a", "b"] { try await http.stage.deliver(Payload.auth("u-\(id)", reference: id)) }
      try await http.stage.letPass(seconds: 60)
      _ = try await http.stage.registry.reconciliations.run(tenant: "acme")
      let before = try await http.stage.registry.findings.list(tenant: "acme").items
      #expect(!before.contains { $0.kind == .duplicateActive })
      #expect(try await Self.merge(http, "a", into: "b", key: key).status == 200)
      _ = try await http.stage.registry.reconciliations.run(tenant: "acme")
      let after = try await http.stage.registry.findings.list(tenant: "acme").items
      #expect(after.contains { $0.kind == .duplicateActive })
    }
  }

  @Test func mergesFollowOneAnother() async throws {
    try await withHTTP { http in
      let key = try await http.key(.connectionsRead, .connectionsWrite)
      for id in ["a", "b", "c", "d"] { try await http.stage.deliver(Payload.auth("u-\(id)", reference: id)) }
      #expect(try await Self.merge(http, "a", into: "b", key: key).text("reference_id") == "b")
      #expect(try await Self.merge(http, "b", into: "c", key: key).text("reference_id") == "c")
      // Into one that was merged itself is into whom it was merged.
      #expect(try await Self.merge(http, "d", into: "a", key: key).text("reference_id") == "c")
      #expect(try await http.items("/v1/connections?reference_id=c", key: key).count == 4)
      #expect(
        try await http.stage.texts(
          "SELECT reference_id || into_reference_id FROM registry.app_user_merge ORDER BY 1") == ["ac", "bc", "dc"])
    }
  }

  @Test func whatWouldCloseACircleOrTearOneApartIsRefused() async throws {
    var settings = StageSettings()
    settings.slugs = ["acme", "globex"]
    try await withHTTP(settings) { http in
      let key = try await http.key(.connectionsRead, .connectionsWrite)
      for id in ["a", "b", "c"] { try await http.stage.deliver(Payload.auth("u-\(id)", reference: id)) }
      try await http.stage.deliver(Payload.auth("u-g", reference: "theirs"), tenant: "globex")
      let itself = try await Self.merge(http, "a", into: "a", key: key)
      #expect(itself.status == 400 && itself.code == "invalid_request" && itself.text("field") == "into")
      #expect(try await Self.merge(http, "a", into: "b", key: key).status == 200)
      let back = try await Self.merge(http, "b", into: "a", key: key)
      #expect(back.status == 409 && back.code == "merge_conflict", "\(back.text)")
      let elsewhere = try await Self.merge(http, "a", into: "c", key: key)
      #expect(elsewhere.status == 409 && elsewhere.code == "merge_conflict", "\(elsewhere.text)")
      for (from, into) in [("a2", "b"), ("c", "nobody"), ("c", "theirs"), ("theirs", "c")] {
        let unknown = try await Self.merge(http, from, into: into, key: key)
        #expect(unknown.status == 404 && unknown.code == "not_found", "\(from) \(into): \(unknown.text)")
      }
      #expect(try await http.stage.count("app_user_merge") == 1)
      #expect(try await http.stage.count("audit_entry WHERE action NOT LIKE 'api_key.%'") == 1)
    }
  }

  @Test func ofMergesInACircleAtOnceNeverAllAreTaken() async throws {
    try await withHTTP { http in
      let key = try await http.key(.connectionsRead, .connectionsWrite)
      let people = ["a", "b", "c"]
      for id in people { try await http.stage.deliver(Payload.auth("u-\(id)", reference: id)) }
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for (index, from) in people.enumerated() {
          group.addTask {
            try await Self.merge(http, from, into: people[(index + 1) % people.count], key: key).status
          }
        }
        return try await group.reduce(into: [Int]()) { $0.append($1) }
      }
      #expect(statuses.sorted() == [200, 200, 409])
      #expect(
        try await http.stage.texts(
          """
          SELECT m.reference_id FROM registry.app_user_merge m
          JOIN registry.app_user_merge n ON n.tenant_id = m.tenant_id AND n.reference_id = m.into_reference_id
          """
        ).isEmpty)
    }
  }
}
