@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import TestDatabase
import Testing

/// What lists are narrowed by, over HTTP.
@Suite(.migratedDatabase) struct ListFilterTests {
  /// Half of the rows lie a day back.
  private static func populate(_ http: HTTPStage) async throws {
    for (number, day) in [(1, "old"), (2, "new")] {
      if number == 2 { try await http.stage.letPass(seconds: 86_400) }
      for resource in ["FITBIT", "OURA"] {
        let user = "\(day)-\(resource)"
        try await http.stage.deliver(Payload.auth(user, reference: "person-\(day)", resource: resource))
        let session = try await http.stage.open(resource, reference: "person-\(day)")
        try await http.stage.visit(session.token, "user_id=\(user)&reference_id=person-\(day)&resource=\(resource)")
      }
      _ = try await http.stage.registry.reconciliations.run(tenant: "acme")
      try await http.stage.expect(Delivery(Payload.auth("late-\(day)"), at: -4 * 86_400), .quarantined)
    }
  }

  @Test func timesCutListsInTwo() async throws {
    try await withHTTP { http in
      try await Self.populate(http)
      let key = try await http.key(.admin)
      try await http.stage.owner.execute("UPDATE registry.api_key SET created_at = created_at - interval '1 day'")
      _ = try await http.key(.findingsRead)
      let noon = RFC3339.text(of: Date().addingTimeInterval(-43_200))
      for path in [
        "/v1/sessions", "/v1/events", "/v1/callbacks", "/v1/findings?status=open,acknowledged,vanished",
        "/v1/reconciliations", "/v1/api-keys", "/v1/receipts",
      ] {
        let mark = path.contains("?") ? "&" : "?"
        func texts(_ filter: String) async throws -> [String] {
          try await http.items(path + (filter.isEmpty ? "" : mark + filter), key: key).map {
            String(decoding: try JSONSerialization.data(withJSONObject: $0, options: .sortedKeys), as: UTF8.self)
          }.map { $0.replacing(#/"age(_seconds)?":("\w+"|[0-9.]+)/#, with: "") }
        }
        let (all, before, after) = (
          try await texts(""), try await texts("until=\(noon)"), try await texts("since=\(noon)")
        )
        #expect(!before.isEmpty && !after.isEmpty, "\(path)")
        #expect(Set(before).union(after) == Set(all) && before.count + after.count == all.count, "\(path)")
        #expect(try await texts("since=\(noon)&until=\(noon)").isEmpty, "\(path)")
      }
    }
  }

  @Test func sessionsAreFoundByWhatBecameOfThem() async throws {
    try await withHTTP { http in
      let key = try await http.key(.connectionsRead)
      var expected: [String: Set<String>] = [:]
      for number in 1...6 {
        let session = try await http.stage.open(number.isMultiple(of: 2) ? "FITBIT" : "OURA", reference: "p-\(number)")
        let status = ["open", "completed", "failed"][number % 3]
        switch status {
        case "completed":
          try await http.stage.deliver(
            Payload.auth(
              try #require(session.session.userID), reference: "p-\(number)",
              resource: number.isMultiple(of: 2) ? "FITBIT" : "OURA"))
        case "failed":
          try await http.stage.visit(session.token, "reason=denied", outcome: .failure)
        default: break
        }
        expected[status, default: []].insert(session.id.text)
      }
      func ids(_ filter: String) async throws -> [String] {
        try await http.items("/v1/sessions?\(filter)", key: key).compactMap { $0["session_id"] as? String }
      }
      for (status, sessions) in expected {
        for limit in [1, 200] {
          let found = try await ids("status=\(status)&limit=\(limit)")
          #expect(Set(found) == sessions && found.count == sessions.count, "\(status): \(found)")
        }
      }
      #expect(try await ids("status=open,failed").count == 4)
      #expect(try await ids("status=expired").isEmpty)
      #expect(try await ids("resource=fitbit").count == 3)
      #expect(
        try await ids("resource=fitbit&status=completed").count + ids("resource=oura&status=completed").count == 2)
    }
  }

  /// Many that are not meant stand before the one that is: it is found, if by several pages.
  @Test func aRareStateIsFoundBehindManyOthers() async throws {
    try await withHTTP { http in
      let key = try await http.key(.connectionsRead)
      _ = try await http.stage.open("FITBIT")
      try await http.stage.owner.execute(
        """
        INSERT INTO registry.auth_session (tenant_id, session_id, kind, attempt_sha256, multi_auth, request_sha256,
          created_at, expires_at, resource, channel)
        SELECT tenant_id, gen_random_uuid(), 'direct', sha256(n::text::bytea), false, '', now() - interval '9 days',
          now() + interval '1 day', 'OURA', 'api'
        FROM registry.tenant, generate_series(1, 12000) AS n
        """)
      var pages = 0
      var cursor: String?
      var found: [String] = []
      repeat {
        let page = try await http.send(
          "GET", "/v1/sessions?status=open&resource=FITBIT" + (cursor.map { "&cursor=\($0)" } ?? ""), key: key)
        found += page.items().compactMap { $0["resource"] as? String }
        cursor = page.text("next_cursor")
        pages += 1
      } while cursor != nil
      #expect(found == ["FITBIT"] && pages == 1)
      // Failed ones stand in no column: five thousand are looked at for a page.
      (pages, cursor) = (0, nil)
      repeat {
        let page = try await http.send(
          "GET", "/v1/sessions?status=failed" + (cursor.map { "&cursor=\($0)" } ?? ""), key: key)
        #expect(page.status == 200 && page.items().isEmpty, "\(page.text)")
        cursor = page.text("next_cursor")
        pages += 1
      } while cursor != nil
      #expect(pages == 3)
    }
  }

  @Test func callbacksAndReceiptsAreFoundByWhatTheyName() async throws {
    try await withHTTP { http in
      try await Self.populate(http)
      let key = try await http.key(.connectionsRead)
      for (filter, count) in [
        ("reference_id=person-old", 2), ("resource=fitbit", 2), ("resource=OURA&reference_id=person-new", 1),
        ("user_id=old-OURA&outcome=success", 1), ("user_id=old-OURA&outcome=failure", 0),
      ] {
        #expect(try await http.items("/v1/callbacks?\(filter)", key: key).count == count, "\(filter)")
      }
      #expect(try await http.items("/v1/receipts?user_id=late-old", key: key).count == 1)
      #expect(try await http.items("/v1/receipts?disposition=quarantined", key: key).count == 2)
      #expect(try await http.items("/v1/receipts?disposition=unreadable", key: key).isEmpty)
    }
  }
}
