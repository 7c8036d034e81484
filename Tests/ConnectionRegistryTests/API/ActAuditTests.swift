@testable import ConnectionRegistry
import Foundation
import RegistryPostgres
import TestDatabase
import Testing

/// Who made what: keys and endpoints, over HTTP, in the audit, once, and only what took effect.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct ActAuditTests {
  private static func settings() -> StageSettings { .delivering(.forTests { $0.areSent = false }) }

  private static func entries(_ stage: Stage, actor: String) async throws -> [String] {
    try await stage.texts(
      "SELECT concat_ws(' ', action, subject) FROM registry.audit_entry WHERE actor = $1 ORDER BY recorded_at, audit_id",
      [.text(actor)])
  }

  @Test func makingAKeyIsAudited() async throws {
    try await withHTTP { http in
      let admin = try await http.stage.registry.keys.create(
        tenant: "acme", name: "admin", scopes: [.admin], by: "operator:ann")
      let made = try await http.send(
        "POST", "/v1/api-keys", key: admin.secret, json: #"{"name":"backend","scopes":["connections:read"]}"#)
      #expect(made.status == 201, "\(made.text)")
      let id = try #require(made.text("key.key_id"))
      #expect(try await Self.entries(http.stage, actor: "key:\(admin.key.keyID.text)") == ["api_key.create \(id)"])
      #expect(
        try await Self.entries(http.stage, actor: "operator:ann") == ["api_key.create \(admin.key.keyID.text)"])
      _ = try await http.stage.registry.keys.create(tenant: "acme", name: "other", scopes: [.admin])
      #expect(try await Self.entries(http.stage, actor: "library").count == 1)
    }
  }

  @Test func whatIsDoneToAnEndpointIsAudited() async throws {
    try await withHTTP(Self.settings()) { http in
      let admin = try await http.stage.registry.keys.create(tenant: "acme", name: "admin", scopes: [.admin])
      let actor = "key:\(admin.key.keyID.text)"
      func ask(_ method: String, _ path: String, _ json: String? = nil, _ headers: [(String, String)] = []) async throws
        -> HTTPStage.Answer
      {
        try await http.send(method, "/v1/endpoints" + path, key: admin.secret, json: json, headers: headers)
      }
      let added = try await ask("POST", "", #"{"url":"http://127.0.0.1:1/x"}"#)
      #expect(added.status == 201, "\(added.text)")
      let id = try #require(added.text("endpoint.endpoint_id"))
      #expect(try await ask("PATCH", "/\(id)", #"{"description":"a"}"#).status == 200)
      // Not as it was read, so nothing is done.
      #expect(try await ask("PATCH", "/\(id)", #"{"description":"b"}"#, [("If-Match", "\"x\"")]).status == 412)
      #expect(try await ask("POST", "/\(id)/rotate-secret").status == 200)
      for _ in 0..<2 { #expect(try await ask("POST", "/\(id)/disable").status == 200) }
      for _ in 0..<2 { #expect(try await ask("POST", "/\(id)/enable").status == 200) }
      #expect(try await ask("DELETE", "/\(id)").status == 204)
      #expect(try await ask("DELETE", "/\(id)").status == 404)
      #expect(try await ask("POST", "/\(UUID().text)/disable").status == 404)
      let acts = ["add", "update", "rotate_secret", "disable", "enable", "remove"]
      #expect(try await Self.entries(http.stage, actor: actor) == acts.map { "endpoint.\($0) \(id)" })
      let secrets = try await http.stage.texts("SELECT detail::text FROM registry.audit_entry")
      #expect(secrets.allSatisfy { !$0.contains("whsec_") && !$0.contains("127.0.0.1") }, "\(secrets)")
    }
  }

  /// Two that come when there is one place left, of whom neither finds the other counted before.
  @Test func noEndpointIsAddedPastTheLimit() async throws {
    try await withStage(Self.settings()) { stage in
      let endpoints = stage.registry.endpoints
      func add(_ number: Int) async throws {
        _ = try await endpoints.add(tenant: "acme", NewEndpoint(url: "http://127.0.0.1:1/\(number)"))
      }
      for number in 1..<Endpoints.maximumPerTenant { try await add(number) }
      let adding = try await stage.owner.withTransaction { transaction in
        try await transaction.execute("SELECT FROM registry.tenant FOR UPDATE")
        let adding = (100..<104).map { number in Task { try await add(number) } }
        let waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while try await stage.owner.execute(waiting).rows.isEmpty { await Task.yield() }
        return adding
      }
      var refused = 0
      for add in adding {
        do {
          try await add.value
        } catch let error as RegistryError where error.code == .limitReached {
          refused += 1
        }
      }
      #expect(refused == 3)
      #expect(try await stage.count("endpoint") == Endpoints.maximumPerTenant)
      #expect(try await stage.count("audit_entry WHERE action = 'endpoint.add'") == Endpoints.maximumPerTenant)
    }
  }
}
