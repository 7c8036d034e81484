@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
@testable import TerraSandbox
import TestDatabase
import Testing

/// Whatever changes a connection, each change is told once to each endpoint that wants it, and nothing else is.
@Suite(.migratedDatabase) struct EveryCauseTests {
  struct Cause: Sendable, CustomTestStringConvertible {
    let name: String
    /// What becomes of the connection, from the first change on.
    let changes: [ConnectionStatus]
    /// Brings it about, and says of which connection.
    let act: @Sendable (HTTPStage) async throws -> String
    var testDescription: String { name }

    init(_ name: String, _ changes: [ConnectionStatus], act: @escaping @Sendable (HTTPStage) async throws -> String) {
      self.name = name
      self.changes = changes
      self.act = act
    }
  }

  static let causes = [
    Cause("deauthentication", [.active, .deauthenticated]) { http in
      let user = try await connect(http)
      try await deauthenticate(http, user, outcome: "deauthenticated")
      return user
    },
    Cause("deauthentication of what Terra does not know", [.active, .revoked]) { http in
      try await http.stage.expect(Payload.auth("lost"), .accepted)
      try await deauthenticate(http, "lost", outcome: "already_gone")
      return "lost"
    },
    Cause("deauthenticateUser", [.active, .deauthenticated]) { http in
      let user = try await connect(http)
      try await callTerra(http, "DELETE", "auth/deauthenticateUser?user_id=\(user)")
      return user
    },
    Cause("deauthenticateUser of what Terra does not know", [.active, .revoked]) { http in
      try await http.stage.expect(Payload.auth("lost"), .accepted)
      try await callTerra(http, "DELETE", "auth/deauthenticateUser?user_id=lost", status: 404)
      return "lost"
    },
    Cause("userInfo", [.active]) { http in
      let user = try await connect(http, isHeardOf: false)
      try await callTerra(http, "GET", "userInfo?user_id=\(user)")
      return user
    },
    Cause("subscriptions", [.active]) { http in
      let user = try await connect(http, isHeardOf: false)
      try await callTerra(http, "GET", "subscriptions")
      return user
    },
    Cause("authenticateUser", [.pending, .active]) { http in
      let answer = try await callTerra(http, "POST", "auth/authenticateUser?resource=FITBIT", json: "{}")
      let user = try #require(answer.text("user_id"))
      try await http.stage.expect(Payload.auth(user), .accepted)
      return user
    },
    Cause("import", [.active]) { http in
      let user = try await connect(http, isHeardOf: false)
      #expect(try await http.stage.registry.connections.importFromTerra(tenant: "acme").added == 1)
      return user
    },
    // Only Terra's listing ever showed these two alive, and the latest correction takes its place.
    Cause("repair", [.active, .failed]) { http in try await http.stage.endedByRepair().ended },
    Cause("undo of a repair", [.active, .failed]) { http in
      let user = try await http.stage.connectAndImport(2)[0]
      let repaired = try await http.stage.repaired(of: user)
      try await http.stage.sandbox.deauthenticate(tenant: "acme", userID: user)
      await http.stage.sandbox.waitUntilIdle()
      #expect(try await http.stage.undo(repaired.id).status == .open)
      return user
    },
    Cause("acceptance of a receipt", [.active]) { http in
      try await http.stage.expect(Delivery(Payload.auth("late"), at: -4 * 86_400), .quarantined)
      try await act(http, onReceipt: "accept")
      return "late"
    },
    Cause("replay of a receipt", [.active]) { http in
      try await http.stage.expect(Delivery(#"{"type":"auth","status":"success","user":7}"#), .unreadable)
      // As if a newer version could read it.
      try await http.stage.owner.execute(
        "UPDATE registry.webhook_receipt SET body = convert_to($1, 'UTF8')", [.text(Payload.auth("read"))])
      try await act(http, onReceipt: "replay")
      return "read"
    },
    Cause("events of a trusted channel", [.active, .degraded, .deauthenticated]) { http in
      let events = [
        Payload.auth("drained"), Payload.event("connection_error", status: "error", user: "drained"),
        Payload.deauth("drained"),
      ]
      let lines = events.enumerated().map { number, event in
        #"{"emitted_at":"2026-01-02T03:04:0\#(number)Z","event":\#(event)}"#
      }
      let answer = try await http.send(
        "POST", "/v1/events", key: try await http.key(.eventsIngest), json: lines.joined(separator: "\n"),
        contentType: "application/x-ndjson")
      #expect(answer["accepted"] as? Int == events.count, "\(answer.text)")
      return "drained"
    },
    Cause("data", [.active, .degraded, .active]) { http in
      try await http.stage.expect(Payload.auth("measured"), .accepted)
      try await http.stage.expect(Payload.event("connection_error", status: "error", user: "measured"), .accepted)
      try await http.stage.expect(Delivery(Payload.data("measured"), at: 120), .data)
      return "measured"
    },
  ]

  @Test(arguments: causes) func everyChangeIsToldOnceToWhoeverWantsIt(_ cause: Cause) async throws {
    try await withHTTP(.delivering(.forTests { $0.areSent = false }, slugs: ["acme", "globex"])) { http in
      let stage = http.stage
      for (slug, statuses) in [
        ("acme", nil), ("acme", [.deauthenticated, .revoked]), ("acme", []), ("globex", nil),
      ] as [(String, Set<ConnectionStatus>?)] {
        _ = try await stage.registry.endpoints.add(
          tenant: slug, NewEndpoint(url: "http://127.0.0.1:9/", statuses: statuses))
      }
      let user = try await cause.act(http)
      let changes = try await stage.registry.connections.show(tenant: "acme", user).changes
      #expect(changes.reversed().map(\.toStatus) == cause.changes)
      try await stage.expectChangesToBeTold()
      let told = try await stage.texts(
        """
        SELECT d.type FROM registry.delivery d JOIN registry.endpoint e USING (tenant_id, endpoint_id)
        WHERE d.user_id = $1 AND e.statuses IS NULL ORDER BY d.sequence
        """, [.text(user)])
      #expect(told == cause.changes.map { "connection.\($0.rawValue)" })
    }
  }

  /// An account at Terra, of which the registry has heard or not.
  private static func connect(_ http: HTTPStage, isHeardOf: Bool = true) async throws -> String {
    let user = try await http.stage.sandbox.connectOutsideSession(
      tenant: "acme", referenceID: "person-1", resource: "FITBIT")
    if isHeardOf { try await http.stage.expect(Payload.auth(user), .accepted) }
    return user
  }

  private static func deauthenticate(_ http: HTTPStage, _ user: String, outcome: String) async throws {
    let answer = try await http.send(
      "POST", "/v1/connections/\(user)/deauthenticate", key: try await http.key(.connectionsWrite))
    #expect(answer.text("outcome") == outcome, "\(answer.text)")
  }

  @discardableResult
  private static func callTerra(
    _ http: HTTPStage, _ method: String, _ call: String, json: String? = nil, status: Int = 200
  ) async throws -> HTTPStage.Answer {
    let key = try await http.key(.sessionsWrite, .connectionsRead, .connectionsWrite)
    let answer = try await http.send(
      method, "/terra/v2/\(call)", json: json, headers: [("x-api-key", key), ("dev-id", "acme-dev-id")])
    #expect(answer.status == status, "\(answer.text)")
    return answer
  }

  private static func act(_ http: HTTPStage, onReceipt act: String) async throws {
    let receipt = try #require(try await http.stage.registry.receipts.list(tenant: "acme").items.first)
    let answer = try await http.send(
      "POST", "/v1/receipts/\(receipt.receiptID.text)/\(act)", key: try await http.key(.eventsIngest))
    #expect(answer.text("disposition") == "accepted", "\(answer.text)")
  }
}

extension Stage {
  /// Over the whole database: each change has exactly one delivery to each endpoint of its tenant that wants its state, and
  /// no delivery about a connection is without its change. Endpoints must have been there before the changes.
  func expectChangesToBeTold(sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let wrong = try await texts(
      """
      WITH wanted AS (
        SELECT c.tenant_id, e.endpoint_id, c.user_id, c.sequence, 'connection.' || c.to_status AS type
        FROM registry.connection_change c JOIN registry.endpoint e USING (tenant_id)
        WHERE e.statuses IS NULL OR c.to_status = ANY (e.statuses)),
      told AS (
        SELECT d.tenant_id, d.endpoint_id, d.user_id, d.sequence, d.type, count(*) AS times
        FROM registry.delivery d WHERE d.user_id IS NOT NULL GROUP BY 1, 2, 3, 4, 5)
      SELECT concat_ws(' ', w.user_id, w.sequence, w.type, '-', t.user_id, t.sequence, t.type, t.times)
      FROM wanted w FULL JOIN told t USING (tenant_id, endpoint_id, user_id, sequence, type)
      WHERE w.type IS NULL OR t.times IS DISTINCT FROM 1
      """)
    #expect(wrong.isEmpty, "\(wrong)", sourceLocation: sourceLocation)
    #expect(try await count("connection_change") > 0, sourceLocation: sourceLocation)
  }
}
