@testable import ConnectionRegistry
import Foundation
import TestDatabase
import TestRandom
import Testing

/// Lists by page, over HTTP.
@Suite(.migratedDatabase) struct ListTests {
  /// Every list that has cursors, with the ids of its rows.
  private static let lists = [
    ("/v1/connections", "user_id"), ("/v1/app-users", "reference_id"), ("/v1/events", "event_id"),
    ("/v1/sessions", "session_id"), ("/v1/callbacks", "callback_id"), ("/v1/findings", "id"),
    ("/v1/reconciliations", "run_id"), ("/v1/api-keys", "key_id"),
    ("/v1/receipts", "receipt_id"), ("/v1/deliveries", "delivery_id"), ("/v1/endpoints", "endpoint_id"),
  ]

  /// Deliveries are listed, and none is sent.
  private static func settings(slugs: [String] = ["acme"]) -> StageSettings {
    .delivering(.forTests { $0.areSent = false }, slugs: slugs)
  }

  /// Writes a few rows into every list.
  private static func populate(_ http: HTTPStage, tenant: String) async throws {
    for number in 1...3 {
      let endpoint = NewEndpoint(url: "http://127.0.0.1:9/\(number)")
      _ = try await http.stage.registry.endpoints.add(tenant: tenant, endpoint)
      try await http.stage.deliver(
        Payload.auth("\(tenant)-u-\(number)", reference: "\(tenant)-p-\(number)"), tenant: tenant)
      let session = try await http.stage.open("FITBIT", reference: "\(tenant)-s-\(number)", tenant: tenant)
      try await http.stage.visit(session.token, "user_id=x-\(number)", tenant: tenant)
      try await http.stage.visit(
        String(repeating: "\(number)", count: 22), "user_id=y", tenant: tenant)
      _ = try await http.stage.registry.reconciliations.run(tenant: tenant)
      _ = try await http.stage.deliver(
        Delivery(Payload.auth("\(tenant)-late-\(number)"), at: -4 * 86_400), tenant: tenant)
      _ = try await http.key(.connectionsRead, tenant: tenant)
    }
  }

  private static func ids(_ items: [[String: Any]], _ name: String) -> [String] {
    items.compactMap { $0[name] as? String }
  }

  @Test func pagesMakeUpTheListWhateverTheirSize() async throws {
    try await withHTTP(Self.settings()) { http in
      try await Self.populate(http, tenant: "acme")
      let key = try await http.key(.admin)
      for (path, id) in Self.lists {
        let whole = Self.ids(try await http.send("GET", path + "?limit=200", key: key).items(), id)
        #expect(whole.count >= 3 && Set(whole).count == whole.count, "\(path): \(whole)")
        for limit in [1, 2] {
          #expect(Self.ids(try await http.items("\(path)?limit=\(limit)", key: key), id) == whole, "\(path)")
        }
      }
    }
  }

  @Test func aCursorHoldsForItsListItsTenantAndItsFilters() async throws {
    try await withHTTP(Self.settings(slugs: ["acme", "globex"])) { http in
      for slug in ["acme", "globex"] { try await Self.populate(http, tenant: slug) }
      let key = try await http.key(.admin)
      let theirs = try await http.key(.admin, tenant: "globex")
      var cursors: [String: String] = [:]
      for (path, _) in Self.lists {
        let page = try await http.send("GET", "\(path)?limit=1", key: key)
        let cursor: String = try #require(page.text("next_cursor"), "\(path)")
        cursors[path] = cursor
      }
      func expectRefused(_ path: String, _ cursor: String, _ key: String) async throws {
        let mark = path.contains("?") ? "&" : "?"
        let refused = try await http.send("GET", "\(path)\(mark)cursor=\(cursor)", key: key)
        #expect(refused.status == 400 && refused.code == "invalid_request", "\(path): \(refused.text)")
        #expect(refused.text("field") == "cursor", "\(path): \(refused.text)")
      }
      for (path, _) in Self.lists {
        let cursor = try #require(cursors[path])
        try await expectRefused(path, cursor, theirs)
        for (other, _) in Self.lists where other != path { try await expectRefused(other, cursor, key) }
        // Forged: the last character, one in the middle, shortened, doubled.
        let middle = cursor.index(cursor.startIndex, offsetBy: cursor.count / 2)
        let changed = cursor[..<middle] + (cursor[middle] == "A" ? "B" : "A") + cursor[cursor.index(after: middle)...]
        for forged in [
          String(changed), String(cursor.dropLast(2)), cursor + cursor, "x", "%25%25", "AAAA",
          Data("1700000000000000 an id".utf8).base64EncodedString().replacing("=", with: ""),
        ] { try await expectRefused(path, forged, key) }
        #expect(try await http.send("GET", "\(path)?cursor=\(cursor)", key: key).status == 200)
      }
      try await expectRefused("/v1/connections?resource=FITBIT", cursors["/v1/connections"] ?? "", key)
      try await expectRefused("/v1/deliveries?state=pending", cursors["/v1/deliveries"] ?? "", key)
      try await expectRefused("/v1/connections?tag=a=b", cursors["/v1/connections"] ?? "", key)
      try await expectRefused("/v1/app-users?created_since=2026-01-01T00:00:00Z", cursors["/v1/app-users"] ?? "", key)
      // The cursor of the change feed is no list's, and no list's is the feed's.
      let feed = try #require(try await http.send("GET", "/v1/changes", key: key).text("cursor"))
      try await expectRefused("/v1/connections", feed, key)
      let other = try await http.send("GET", "/v1/changes?after=\(cursors["/v1/connections"] ?? "")", key: key)
      #expect(other.status == 400 && other.text("field") == "after", "\(other.text)")
    }
  }

  @Test func limitsAndTimesThatCannotBeAreNamed() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      for (path, _) in Self.lists + [("/v1/changes", "")] {
        for limit in ["0", "-1", "1000000000", "201", "1.5", "ten", "", "99999999999999999999", "+1", "0x10"] {
          let refused = try await http.send("GET", "\(path)?limit=\(limit)", key: key)
          #expect(refused.status == 400 && refused.text("field") == "limit", "\(path) \(limit): \(refused.text)")
        }
        #expect(try await http.send("GET", "\(path)?limit=200", key: key).status == 200)
        let twice = try await http.send("GET", "\(path)?limit=1&limit=2", key: key)
        #expect(twice.status == 400)
        #expect(try await http.send("GET", "\(path)?stauts=active", key: key).status == 400)
      }
      let times =
        [
          "created_since", "created_until", "updated_since", "updated_until", "stale_since",
        ].map { ("/v1/connections", $0) } + [
          ("/v1/app-users", "created_since"), ("/v1/events", "since"), ("/v1/events", "until"),
          ("/v1/callbacks", "since"), ("/v1/callbacks", "until"), ("/v1/sessions", "since"), ("/v1/findings", "until"),
          ("/v1/deliveries", "since"), ("/v1/deliveries", "until"), ("/v1/reconciliations", "until"),
          ("/v1/api-keys", "since"),
          ("/v1/receipts", "until"),
        ]
      for (path, name) in times {
        for time in [
          "2026-03-01T09:30:00", "2026-03-01", "2026-03-01%2009:30:00Z", "2026-13-01T00:00:00Z",
          "2026-02-30T00:00:00Z", "1772357400", "now", "", "2026-03-01T09:30Z", "99999-01-01T00:00:00Z",
        ] {
          let refused = try await http.send("GET", "\(path)?\(name)=\(time)", key: key)
          #expect(refused.status == 400 && refused.text("field") == name, "\(path) \(name) \(time): \(refused.text)")
        }
        for time in [
          "2026-03-01T09:30:00Z", "2026-03-01T09:30:00.123456%2B02:00", "2026-03-01t09:30:00z", "0001-01-01T00:00:00Z",
          "9999-12-31T23:59:59Z",
        ] {
          let taken = try await http.send("GET", "\(path)?\(name)=\(time)", key: key)
          #expect(taken.status == 200, "\(path) \(name) \(time): \(taken.text)")
        }
      }
    }
  }

  @Test func filtersChooseWhatTheySay() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      try await http.stage.deliver(Payload.auth("old", reference: "p-1"))
      try await http.stage.letPass(seconds: 3_600)
      let mark = RFC3339.text(of: Date().addingTimeInterval(-1_800))
      try await http.stage.deliver(Payload.auth("new", reference: "p-2", resource: "OURA"))
      try await http.stage.deliver(Payload.data("new"))
      try await http.stage.deliver(Payload.deauth("old"))
      func users(_ query: String) async throws -> [String] {
        Self.ids(try await http.items("/v1/connections?\(query)", key: key), "user_id")
      }
      #expect(try await users("created_since=\(mark)") == ["new"])
      #expect(try await users("created_until=\(mark)") == ["old"])
      #expect(try await users("updated_since=\(mark)") == ["old", "new"])
      #expect(try await users("updated_until=\(mark)").isEmpty)
      #expect(try await users("stale_since=\(mark)") == ["old"])
      #expect(try await users("status=deauthenticated") == ["old"])
      #expect(try await users("resource=oura") == ["new"])
      func events(_ query: String) async throws -> Int {
        try await http.items("/v1/events?\(query)", key: key).count
      }
      #expect(try await events("since=\(mark)") == 2)
      #expect(try await events("until=\(mark)") == 1)
      #expect(try await events("kind=deauthentication") == 1)
      #expect(try await events("resource=oura") == 1)
      #expect(try await events("reference_id=p-1") == 1)
      #expect(
        Self.ids(try await http.items("/v1/app-users?created_since=\(mark)", key: key), "reference_id") == ["p-2"])
    }
  }

  /// Rows come and change while a reader pages: what stood all the time is given once.
  @Test func whatStandsIsGivenOnceWhileOthersWrite() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      let seed = TestSeed.take("whatStandsIsGivenOnceWhileOthersWrite")
      let standing = (0..<60).map { "standing-\($0)" }
      for user in standing { try await http.stage.deliver(Payload.auth(user, reference: "person-\(user)")) }
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          var generator = SeededGenerator(seed: seed)
          // Bounded, because where the writer is the faster one a reader would never see the end.
          for number in 1...400 where !Task.isCancelled {
            try await http.stage.deliver(Payload.auth("new-\(number)", reference: "new-person-\(number)"))
            let user = standing.randomElement(using: &generator) ?? ""
            // Its status and its time of change, not its place in the list.
            try await http.stage.deliver(Payload.event("connection_error", user: user))
            try await http.stage.deliver(Payload.auth(user, reference: "person-\(user)"))
          }
        }
        for (path, id) in [
          ("/v1/connections", "user_id"), ("/v1/app-users", "reference_id"), ("/v1/events", "event_id"),
        ] {
          let before = Set(Self.ids(try await http.items("\(path)?limit=200", key: key), id))
          for limit in [3, 7] {
            let given = Self.ids(try await http.items("\(path)?limit=\(limit)", key: key), id)
            #expect(Set(given).count == given.count, "\(path): given twice")
            #expect(before.isSubset(of: given), "\(path): left out \(before.subtracting(given))")
          }
        }
        group.cancelAll()
        try? await group.waitForAll()
      }
    }
  }
}
