@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import Hummingbird
import Logging
import NIOHTTP1
import RegistryPostgres
import TestDatabase
import Testing

/// Every route with every kind of key, over HTTP.
@Suite(.migratedDatabase) struct AccessMatrixTests {
  /// Keys that hold for nothing, each with what is wrong with it.
  private struct BadKeys: Sendable {
    var all: [(what: String, key: String?)]

    static func make(_ http: HTTPStage) async throws -> BadKeys {
      let keys = http.stage.registry.keys
      func make(_ tenant: String = "acme") async throws -> NewAPIKey {
        try await keys.create(tenant: tenant, name: "tests", scopes: [.admin])
      }
      let (expired, revoked, disabled) = (try await make(), try await make(), try await make("gone"))
      try await http.stage.owner.execute(
        """
        UPDATE registry.api_key SET created_at = now() - interval '2 days', expires_at = now() - interval '1 second'
        WHERE key_id = $1
        """, [.uuid(expired.key.keyID)])
      _ = try await keys.revoke(tenant: "acme", revoked.key.keyID, by: "tests")
      try await http.stage.owner.execute("UPDATE registry.tenant SET disabled_at = now() WHERE slug = 'gone'")
      let tenantID = try #require(APIKeyText(revoked.secret)).tenantID
      let unknown = APIKeyText(tenantID: tenantID, random: [UInt8](repeating: 7, count: 32)).text
      return BadKeys(all: [
        ("no key", nil), ("an empty key", ""), ("no key of the registry", "secret"),
        ("an unknown key", unknown), ("an expired key", expired.secret), ("a revoked key", revoked.secret),
        ("a disabled tenant's key", disabled.secret), ("a key with another last character", mistyped(revoked.secret)),
      ])
    }

    private static func mistyped(_ key: String) -> String { key.dropLast() + (key.hasSuffix("0") ? "1" : "0") }
  }

  private static func settings() -> StageSettings {
    // What is sent changes its endpoint, and nothing may change here but by a request.
    .delivering(.forTests { $0.areSent = false }, slugs: ["acme", "globex", "gone"])
  }

  private static func expect(
    _ answer: HTTPStage.Answer, _ status: Int, _ code: String?, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(answer.status == status, "\(what): \(answer.status) \(answer.text)", sourceLocation: sourceLocation)
    guard let code else { return }
    #expect(answer.code == code, "\(what): \(answer.text)", sourceLocation: sourceLocation)
    #expect(answer.headers.first(name: "X-Request-Id") != nil, "\(what)", sourceLocation: sourceLocation)
  }

  @Test func everyOperationLetsInWhomItDeclaresAndNobodyElse() async throws {
    try await withHTTP(Self.settings()) { http in
      let operations = APIOperations(registry: http.stage.registry).all
      let subjects = try await AccessSubjects.make(http)
      let (probes, bad) = (subjects.probes, try await BadKeys.make(http))
      #expect(Set(probes.keys) == Set(operations.map(\.id)), "an operation without a probe, or a probe without one")
      let stranger = try await http.key(.admin, tenant: "globex")
      let admin = try await http.key(.admin)
      var single: [APIKeyScope: String] = [:]
      for scope in APIKeyScope.allCases { single[scope] = try await http.key(scope) }
      for operation in operations {
        guard let probe = probes[operation.id] else { continue }
        #expect(Self.fits(probe.path, operation.path), "\(operation.id)")
        func ask(_ key: String?, _ headers: [(String, String)] = []) async throws -> HTTPStage.Answer {
          try await http.send(
            operation.method.rawValue, probe.path, key: key, json: probe.body, contentType: probe.contentType,
            headers: headers)
        }
        for (what, key) in bad.all {
          let refused = try await ask(key)
          Self.expect(refused, 401, "unauthenticated", "\(operation.id), \(what)")
          #expect(refused.headers.first(name: "WWW-Authenticate")?.hasPrefix("Bearer") == true, "\(operation.id)")
          #expect(!refused.text.contains(AccessSubjects.mark), "\(operation.id), \(what)")
        }
        Self.expect(
          try await ask(nil, [("x-api-key", admin)]), 401, "unauthenticated", "\(operation.id), another header")
        Self.expect(
          try await ask(admin, [("Authorization", "Bearer \(admin)")]), 401, "unauthenticated",
          "\(operation.id), two keys")
        for scope in APIKeyScope.allCases where scope != operation.scope && scope != .admin {
          let refused = try await ask(single[scope])
          Self.expect(refused, 403, "forbidden", "\(operation.id), \(scope)")
          #expect(refused.text.contains(operation.scope.rawValue), "\(operation.id), \(scope)")
        }
        let others = try await http.stage.registry.keys.create(
          tenant: "acme", name: "tests",
          scopes: Set(APIKeyScope.allCases).subtracting([operation.scope, .admin]))
        Self.expect(try await ask(others.secret), 403, "forbidden", "\(operation.id), every other scope")
        try await Self.expectStranger(http, operation, probe, ask: { try await ask(stranger) })
        if operation.method == .get {
          #expect(try await http.send("HEAD", probe.path).status == 401, "\(operation.id)")
          // The same as GET, without its body.
          let other = try await http.send("HEAD", probe.path, key: stranger)
          #expect(other.status == (probe.stranger == .notFound ? 404 : probe.status), "\(operation.id), HEAD")
          let own = try await http.send("HEAD", probe.path, key: single[operation.scope])
          #expect(own.status == probe.status && own.body.isEmpty && other.body.isEmpty, "\(operation.id), HEAD")
        }
        // Whom it declares, last, because some operations can be done once.
        Self.expect(try await ask(single[operation.scope]), probe.status, nil, "\(operation.id), its own scope")
        guard operation.scope != .admin else { continue }
        Self.expect(try await ask(admin), probe.status, nil, "\(operation.id), admin")
      }
    }
  }

  private static func expectStranger(
    _ http: HTTPStage, _ operation: APIOperation, _ probe: AccessProbe, ask: () async throws -> HTTPStage.Answer
  ) async throws {
    let before = try await rows(http)
    let answer = try await ask()
    switch probe.stranger {
    case .notFound: expect(answer, 404, "not_found", "\(operation.id), another tenant's key")
    case .sees, .acts: expect(answer, probe.status, nil, "\(operation.id), another tenant's key")
    }
    #expect(!answer.text.contains(AccessSubjects.mark), "\(operation.id), another tenant's key: \(answer.text)")
    #expect(try await rows(http) == before, "\(operation.id) of another tenant changed this one")
  }

  /// What the first tenant has, by table: every table that the schema has.
  private static func rows(_ http: HTTPStage) async throws -> [String] {
    let tables = try await http.stage.texts(
      """
      SELECT table_name::text FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
      WHERE table_schema = 'registry' AND column_name = 'tenant_id' AND table_type = 'BASE TABLE'
        AND table_name <> 'api_key'
      """)
    for table in ["endpoint", "delivery", "webhook_receipt", "change_consumer", "auth_session", "connection", "tenant"]
    {
      #expect(tables.contains(table))
    }
    // The keys themselves change as they are used.
    let keys = """
      SELECT 'api_key ' || count(*) || ' ' || count(k.revoked_at) || ' ' || count(k.expires_at) AS n
      FROM registry.api_key k JOIN registry.tenant t ON t.tenant_id = k.tenant_id WHERE t.slug = 'acme'
      """
    let contents = tables.map { table in
      """
      SELECT '\(table) ' || count(*) || ' ' || md5(coalesce(string_agg(x::text, '|' ORDER BY x::text), '')) AS n
      FROM registry.\(table) x JOIN registry.tenant t ON t.tenant_id = x.tenant_id WHERE t.slug = 'acme'
      """
    }
    return try await http.stage.texts((contents + [keys]).joined(separator: " UNION ALL ")).sorted()
  }

  private static func fits(_ path: String, _ template: String) -> Bool {
    let (parts, wanted) = (path.split(separator: "/"), template.split(separator: "/"))
    return parts.count == wanted.count && zip(parts, wanted).allSatisfy { $0 == $1 || $1.hasPrefix("{") }
  }

  @Test func theGatewayLetsInWhomItDeclaresAndNobodyElse() async throws {
    try await withHTTP(Self.settings()) { http in
      let bad = try await BadKeys.make(http)
      let stranger = try await http.key(.admin, tenant: "globex")
      let admin = try await http.key(.admin)
      var single: [APIKeyScope: String] = [:]
      for scope in APIKeyScope.allCases { single[scope] = try await http.key(scope) }
      for operation in GatewayOperation.allCases {
        func ask(_ key: String?, devID: String? = "acme-dev-id") async throws -> HTTPStage.Answer {
          try await http.send(
            operation.method, "/terra\(operation.path)", json: operation.method == "POST" ? "{}" : nil,
            headers: (key.map { [("x-api-key", $0)] } ?? []) + (devID.map { [("dev-id", $0)] } ?? []))
        }
        for (what, key) in bad.all { Self.expect(try await ask(key), 401, nil, "\(operation), \(what)") }
        Self.expect(try await ask(stranger), 401, nil, "\(operation), another tenant's key")
        Self.expect(try await ask(admin, devID: "globex-dev-id"), 401, nil, "\(operation), another tenant's dev-id")
        Self.expect(try await ask(admin, devID: nil), 401, nil, "\(operation), no dev-id")
        // Terra's own key is no key to the registry.
        Self.expect(try await ask("acme-api-key"), 401, nil, "\(operation), Terra's key")
        for scope in APIKeyScope.allCases where scope != operation.scope && scope != .admin {
          Self.expect(try await ask(single[scope]), 403, nil, "\(operation), \(scope)")
        }
        for key in [single[operation.scope], admin] {
          let status = try await ask(key).status
          #expect(![401, 403, 500].contains(status), "\(operation): \(status)")
        }
      }
    }
  }

  /// What takes no API key: a key neither opens nor closes it.
  @Test func theOtherRoutesDoNotHeedKeys() async throws {
    try await withHTTP(Self.settings()) { http in
      let admin = try await http.key(.admin)
      let attempt = String(repeating: "A", count: 22)
      for key in [nil, "secret", admin] {
        for path in ["/healthz", "/readyz", "/openapi.json", "/docs"] {
          #expect(try await http.send("GET", path, key: key).status == 200, "\(path)")
        }
        for slug in ["acme", "nobody", "gone"] {
          for path in ["/callbacks/terra/\(slug)/\(attempt)/success", "/connect/\(slug)/\(attempt)"] {
            #expect(try await http.send("GET", path, key: key).status == 404, "\(path)")
          }
          // A webhook is let in by its signature alone.
          let unsigned = try await http.send(
            "POST", "/webhooks/terra/\(slug)", key: key, json: Payload.auth("u-\(slug)"))
          #expect(unsigned.status == 401, "\(slug)")
        }
      }
      #expect(try await http.stage.count("connection") == 0)
    }
  }

  /// A route that is added somewhere must be added to this matrix.
  @Test func everyRouteIsInTheMatrix() throws {
    let configuration = ConnectionRegistry.Configuration(
      databaseURL: "", publicURL: "http://127.0.0.1", masterKeys: try MasterKeyRing(MasterKeyRing.newKey()))
    let registry = ConnectionRegistry(configuration: configuration, logger: Logger(label: "test"))
    let router = Router()
    router.addRegistryRoutes(registry)
    let operations = APIOperations(registry: registry).all
    let paths = Set(operations.map { RouterPath($0.path).description })
    let others: Set<String> = [
      "GET /healthz", "HEAD /healthz", "GET /readyz", "HEAD /readyz", "GET /openapi.json", "HEAD /openapi.json",
      "GET /docs", "HEAD /docs",
      "POST /webhooks/terra/{tenant}", "GET /connect/{tenant}/{attempt}",
      "GET /callbacks/terra/{tenant}/{attempt}/success", "HEAD /callbacks/terra/{tenant}/{attempt}/success",
      "GET /callbacks/terra/{tenant}/{attempt}/failure", "HEAD /callbacks/terra/{tenant}/{attempt}/failure",
    ]
    var unknown: [String] = []
    for route in router.routes {
      let path = route.path.description
      // A method that a path of an operation does not have answers 405; the gateway's operations are a closed list.
      if paths.contains(path) || path.hasPrefix("/terra/") || path.hasPrefix("terra/") { continue }
      let name = "\(route.method.rawValue) \(path.hasPrefix("/") ? path : "/" + path)"
      if !others.contains(name) { unknown.append(name) }
    }
    #expect(unknown.isEmpty, "\(unknown)")
    #expect(router.routes.count > operations.count)
  }
}
