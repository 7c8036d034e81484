@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import NIOHTTP1
import RegistryModel
import RegistryPostgres
import RegistrySQL
import TestDatabase
import Testing

/// Erasure and export of one person, over HTTP.
@Suite(.migratedDatabase) struct ErasureTests {
  private static let person = ErasureWorld.person
  private static let path = ErasureWorld.path

  @Test func nothingOfThemIsLeftAndNothingOfOthersGoes() async throws {
    try await withHTTP(ErasureWorld.settings) { http in
      let key = try await http.key(.admin)
      try await ErasureWorld.populate(http, key: key)
      let before = try await Traces.tables(http.stage, naming: ErasureWorld.names)
      // Everything but the sealed answers, which show nothing, is seen to hold them.
      let expected: Set<String> = [
        "app_user", "app_user_merge", "audit_entry", "auth_event", "auth_session", "change_consumer", "connection",
        "connection_change", "correction", "delivery", "finding", "provider_difference", "provider_listing_user",
        "reconciliation_subject", "redirect_callback", "tag", "webhook_receipt",
      ]
      #expect(before.isSuperset(of: expected), "not seen in \(expected.subtracting(before))")
      let shared = try await ErasureWorld.shared(http.stage)
      let told = try await http.stage.texts("SELECT body FROM registry.delivery WHERE finding_id IS NOT NULL")
      #expect(told.contains { $0.contains(#""id": "u2""#) })
      let others = try await Traces.rows(http.stage, naming: ErasureWorld.othersNames)
      #expect(Set(others.map { String($0.prefix { $0 != " " }) }).isSuperset(of: expected.subtracting(["correction"])))
      let merged = try await http.send("DELETE", "/v1/app-users/was-anonymous", key: key)
      #expect(merged.status == 409 && merged.code == "merge_conflict", "\(merged.text)")

      let erased = try await http.send("DELETE", Self.path, key: key)
      #expect(erased.status == 200, "\(erased.text)")
      for (member, count) in [
        ("app_users", 2), ("connections", 5), ("sessions", 1), ("kept_answers", 1), ("receipts", 2),
        ("left_receipts", 0), ("left_answers", 0),
      ] { #expect(erased[member] as? Int == count, "\(member): \(erased.text)") }
      for member in ["events", "callbacks", "findings", "deliveries"] {
        #expect(erased[member] as? Int ?? 0 > 0, "\(member): \(erased.text)")
      }
      let left = try await Traces.rows(http.stage, naming: ErasureWorld.names)
      #expect(left == [])
      #expect(try await http.stage.count("erasure_scope") == 0)
      let after = try await Traces.rows(http.stage, naming: ErasureWorld.othersNames)
      let lost = others.subtracting(after).subtracting(shared)
      #expect(lost == [])
      // What rested on one of theirs beside others' evidence rests on the others'.
      #expect(
        try await http.stage.texts("SELECT evidence::text FROM registry.finding WHERE kind = 'signature_failing'")
          == [#"[{"id": "1", "type": "tenant"}]"#])
      // What is of others stays, without the names.
      for (kept, table) in [
        ("user_id = 'x9' AND reference_id IS NULL", "provider_listing_user"),
        ("reference_id = 'zoe' AND user_id IS NULL AND replaces IS NULL AND auth_url IS NOT NULL", "auth_session"),
        ("user_id = 'x9' AND superseded_by IS NULL AND superseded_key IS NOT NULL", "connection"),
      ] {
        let count = try await http.stage.texts("SELECT count(*)::text FROM registry.\(table) WHERE \(kept)")
        #expect(count == ["1"], "\(kept)")
      }

      let audit = try await http.stage.texts(
        "SELECT action || ' ' || subject || ' ' || detail::text FROM registry.audit_entry ORDER BY action, subject")
      #expect(audit.contains("app_user.merge erased {}"))
      #expect(audit.contains(#"app_user.merge zoe-before {"into": "zoe"}"#))
      #expect(audit.count { $0.hasPrefix("app_user.erase sha256:") && $0.contains(#""connections": "5""#) } == 1)
      #expect(try await http.send("DELETE", Self.path, key: key).status == 404)
      // A run over everything finds nothing of them again.
      _ = try await http.stage.registry.reconciliations.run(tenant: "acme", isFull: true)
      #expect(try await Traces.rows(http.stage, naming: ErasureWorld.names) == [])
    }
  }

  /// An app user who is called like something else takes nothing of it along.
  @Test(arguments: ["acme", "1", "GARMIN", "u-1", "callback"])
  func whoIsCalledLikeSomethingElseTakesNothingOfIt(_ name: String) async throws {
    try await withHTTP(ErasureWorld.settings) { http in
      let key = try await http.key(.admin)
      try await ErasureWorld.populate(http, key: key)
      try await http.stage.expect(Payload.auth("x-own", reference: name, resource: "OURA"), .accepted)
      let own: Set<String> = ["acme": ["x5"], "1": ["x6"], "GARMIN": ["x7"], "u-1": ["x1"]][name] ?? []
      let others = try await Traces.rows(
        http.stage, naming: ErasureWorld.names + ErasureWorld.twins.filter { $0 != name && !own.contains($0) })
      #expect(try await http.send("DELETE", "/v1/app-users/\(name)", key: key).status == 200)
      #expect(try await Traces.rows(http.stage, naming: ["x-own"] + own) == [])
      let after = try await Traces.rows(
        http.stage, naming: ErasureWorld.names + ErasureWorld.twins.filter { $0 != name && !own.contains($0) })
      // What names several people in one row is told by the other tests.
      let lost = others.subtracting(after).filter { row in !own.contains { row.contains($0) } && !row.contains("x-own")
      }
      #expect(lost == [])
      #expect(try await http.stage.texts("SELECT slug FROM registry.tenant") == ["acme"])
      #expect(
        try await http.stage.texts("SELECT detail ->> 'lines' FROM registry.audit_entry WHERE action = 'event.ingest'")
          == ["1"])
    }
  }

  @Test func whatComesLateAboutThemIsNotRecordedAndWhatComesAnewIs() async throws {
    try await withHTTP { http in
      let stage = http.stage
      let key = try await http.key(.admin)
      try await stage.expect(Payload.auth("u1", reference: Self.person), .accepted)
      try await stage.expect(Payload.auth("u12", reference: "zoe"), .accepted)
      let session = try await stage.open("GARMIN", reference: Self.person)
      #expect(try await http.send("DELETE", Self.path, key: key).status == 200)
      func expectNothing(_ what: String) async throws {
        let left = try await Traces.rows(stage, naming: ErasureWorld.names)
        #expect(left == [], "\(what)")
      }
      try await stage.expect(Payload.auth("u1", reference: Self.person), .erased)
      try await stage.expect(Payload.deauth("u1"), .erased)
      for _ in 0..<2 { try await stage.expect(Payload.data("u1"), .erased) }
      try await stage.expect(Payload.reauth(from: "u1", to: "u2"), .erased)
      try await stage.expect(Delivery(Payload.auth("u1"), at: -4 * 86_400), .erased)
      try await stage.expect(
        Delivery(#"{"type":"auth","status":"success","user":{"user_id":"u1"},"reason":7}"#), .erased)
      try await stage.expect(Payload.event("user_moved", user: "u1"), .erased)
      try await expectNothing("webhooks")
      try await stage.visit("AAAAAAAAAAAAAAAAAAAAAA", "user_id=u1&reference_id=zo%C3%AB")
      try await stage.visit(session.token, "resource=GARMIN")
      #expect(try await stage.count("redirect_callback") == 0)
      let line = #"{"emitted_at":"2026-01-02T03:04:05Z","event":\#(Payload.auth("u1"))}"#
      let ingest = try await http.send(
        "POST", "/v1/events", key: key, json: line, contentType: "application/x-ndjson")
      #expect(ingest["accepted"] as? Int == 0 && ingest["erased"] as? Int == 1, "\(ingest.text)")
      var forged = Delivery(Payload.auth("u1", reference: Self.person))
      forged.secret = "wrong"
      try await stage.answer(forged)
      let id = TenantID.of(slug: "acme")
      try await ObservedFact(.alive, of: "u1", askedAt: Date(), source: "import", reason: "listed")
        .write(stage.registry.database, tenantID: id)
      _ = try await stage.registry.reconciliations.run(tenant: "acme", isFull: true, asksProvider: true)
      let answered = try await stage.open("OURA", reference: "zoe")
      try await stage.owner.execute("UPDATE registry.auth_session SET auth_url = NULL WHERE reference_id = 'zoe'")
      let written = try await stage.registry.database.run(
        id,
        RegistryStatements.authSessionAnswered(
          .uuid(id), .uuid(answered.id), .text("u1"), .null, .text("https://late"), .timestamp(Date()), .null,
          ErasedSubject.fence([.userID("u1")], tenantID: id)))
      #expect(written.affectedRows == 1)
      try await expectNothing("what the registry observes")
      let again = try await stage.open("FITBIT", reference: Self.person)
      let user = try #require(again.session.userID)
      try await stage.expect(Payload.auth(user, reference: Self.person), .accepted)
      let anew = try await http.send("GET", Self.path, key: key)
      #expect((anew["connections"] as? [Any])?.count == 1 && (anew["sessions"] as? [Any])?.count == 1, "\(anew.text)")
      #expect(try await stage.status("u12") == .active)
    }
  }

  /// Others may have come by a widget session of theirs: what they did is not about them.
  @Test func whoHasComeByTheirSessionStays() async throws {
    try await withStage { stage in
      let opened = try await stage.open(reference: Self.person)
      let widget = try #require(opened.session.terraSessionID)
      let failed = #"{"type":"auth","status":"error","widget_session_id":"\#(widget)","reason":"no"}"#
      try await stage.expect(Payload.auth("u1", reference: nil, widgetSession: widget), .accepted)
      try await stage.expect(Payload.auth("x1", reference: "zoe", widgetSession: widget), .accepted)
      try await stage.expect(failed, .accepted)
      let erasure = try await stage.registry.appUsers.erase(tenant: "acme", Self.person, by: "test")
      #expect(erasure.connections == 1 && erasure.events == 2 && erasure.sessions == 1, "\(erasure)")
      try await stage.expect(Delivery(failed, at: 5), .erased)
      try await stage.expect(Payload.auth("x2", reference: "zoe", widgetSession: widget), .accepted)
      #expect(try await stage.texts("SELECT user_id FROM registry.auth_event ORDER BY 1") == ["x1", "x2"])
      #expect(try await stage.texts("SELECT user_id FROM registry.connection ORDER BY 1") == ["x1", "x2"])
    }
  }

  /// A finding for operators that rested on a callback of theirs is not found again, and no run fails over it.
  @Test func whatRestedOnTheirCallbacksVanishes() async throws {
    var settings = StageSettings()
    settings.slugs = ["acme", "globex"]
    try await withStage(settings) { stage in
      try await stage.expect(Payload.auth("foreign"), .accepted, tenant: "globex")
      let session = try await stage.open("GARMIN", reference: Self.person)
      try await stage.visit(session.token, "user_id=foreign")
      func statuses() async throws -> [String] {
        try await stage.texts("SELECT status FROM registry.finding WHERE kind = 'cross_tenant_claim'")
      }
      _ = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(try await statuses() == ["open"])
      _ = try await stage.registry.appUsers.erase(tenant: "acme", Self.person, by: "test")
      for isFull in [false, true] {
        let run = try await stage.registry.reconciliations.run(tenant: "acme", isFull: isFull)
        #expect(run.outcome == .complete)
      }
      #expect(try await statuses() == ["vanished"])
      #expect(try await stage.status("foreign", tenant: "globex") == .active)
    }
  }

  @Test func everythingIsGivenOutAsOneDocument() async throws {
    try await withHTTP(ErasureWorld.settings) { http in
      let key = try await http.key(.admin)
      try await ErasureWorld.populate(http, key: key)
      let answer = try await http.send("GET", Self.path + "/export", key: key)
      #expect(answer.status == 200, "\(answer.text)")
      let types = Dictionary(grouping: answer.items()) { $0["type"] as? String ?? "" }.mapValues(\.count)
      #expect(answer.items().allSatisfy { $0["data"] is [String: Any] })
      #expect(
        Set(types.keys) == [
          "app_user", "connection", "change", "correction", "session", "callback", "event", "receipt", "delivery",
          "finding", "listed", "audit",
        ])
      #expect(types["app_user"] == 2 && types["connection"] == 5 && types["receipt"] == 2, "\(types)")
      for twin in ErasureWorld.twins where twin.count > 1 && twin != "acme" && twin != "GARMIN" {
        #expect(!answer.text.contains(Payload.text(twin)), "\(twin)")
      }
      // No secret of an attempt, and nothing that is sealed.
      #expect(!answer.text.contains("auth_url") && !answer.text.contains("sealed"))
      for missing in ["/v1/app-users/nobody/export", "/v1/app-users/was-anonymous/export"] {
        let refused = try await http.send("GET", missing, key: key)
        #expect([404, 409].contains(refused.status), "\(refused.text)")
      }
    }
  }

  @Test func whatCannotBeReadIsLeftAndCounted() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      try await http.stage.expect(Payload.auth("u1", reference: "left"), .accepted)
      for body in [#"{"type":"auth","user":"left"#, #"<xml>left</xml>"#, #"{"type":"auth","note":"left"}"#] {
        try await http.stage.deliver(Delivery(body))
      }
      let erased = try await http.send("DELETE", "/v1/app-users/left", key: key)
      #expect(erased["left_receipts"] as? Int == 2 && erased["receipts"] as? Int == 0, "\(erased.text)")
      #expect(try await http.stage.count("webhook_receipt") == 3)
    }
  }

  @Test func theDatabaseMakesTheSameDigest() async throws {
    try await withHTTP { http in
      let id = TenantID.of(slug: "acme")
      let digest = try await http.stage.texts(
        """
        SELECT encode(sha256(convert_to('36:' || t.tenant_id || '7:user_id' || octet_length($1) || ':' || $1, 'UTF8')), 'hex')
        FROM registry.tenant t
        """, [.text("zoë")])
      #expect(digest == [Fingerprint.hex(ErasedSubject.userID("zoë").digest(tenantID: id))])
    }
  }
}
