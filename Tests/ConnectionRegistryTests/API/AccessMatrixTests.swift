@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import Hummingbird
import NIOHTTP1
import TestDatabase
import Testing

/// Every route with every kind of key, over HTTP.
@Suite(.migratedDatabase) struct AccessMatrixTests {
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
    let before = try await http.stage.contents(of: "acme")
    let answer = try await ask()
    switch probe.stranger {
    case .notFound: expect(answer, 404, "not_found", "\(operation.id), another tenant's key")
    case .sees, .acts: expect(answer, probe.status, nil, "\(operation.id), another tenant's key")
    }
    #expect(!answer.text.contains(AccessSubjects.mark), "\(operation.id), another tenant's key: \(answer.text)")
    #expect(try await http.stage.contents(of: "acme") == before, "\(operation.id) of another tenant changed this one")
  }

  private static func fits(_ path: String, _ template: String) -> Bool {
    let (parts, wanted) = (path.split(separator: "/"), template.split(separator: "/"))
    return parts.count == wanted.count && zip(parts, wanted).allSatisfy { $0 == $1 || $1.hasPrefix("{") }
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

  /// A route that is added somewhere must be added to this matrix, or to that of the gateway.
  @Test func everyRouteIsInAMatrix() async throws {
    try await withHTTP(Self.settings()) { http in
      let router = Router()
      router.addRegistryRoutes(http.stage.registry)
      let routes = Set(
        router.routes.map { route in
          let path = route.path.description
          return "\(route.method.rawValue) \(path.hasPrefix("/") ? path : "/" + path)"
        })
      let operations = APIOperations(registry: http.stage.registry).all
      let api = Set(operations.map { "\($0.method.rawValue) \($0.path)" })
      // As GET, but for the body; asked together with it.
      let heads = Set(operations.filter { $0.method == .get }.map { "HEAD \($0.path)" })
      let others: Set<String> = [
        "GET /healthz", "HEAD /healthz", "GET /readyz", "HEAD /readyz", "GET /openapi.json", "HEAD /openapi.json",
        "GET /docs", "HEAD /docs",
        "POST /webhooks/terra/{tenant}", "GET /connect/{tenant}/{attempt}",
        "GET /callbacks/terra/{tenant}/{attempt}/success", "HEAD /callbacks/terra/{tenant}/{attempt}/success",
        "GET /callbacks/terra/{tenant}/{attempt}/failure", "HEAD /callbacks/terra/{tenant}/{attempt}/failure",
      ]
      let known = api.union(heads).union(others).union(GatewayMatrixTests.routes)
      #expect(known.subtracting(routes).sorted() == [])
      // What is left is nothing that can be done: a method that a path does not have.
      let admin = try await http.key(.admin)
      for route in routes.subtracting(known).sorted() {
        let words = route.split(separator: " ").map(String.init)
        #expect(words[1].hasPrefix("/v1/"), "\(route) stands in no matrix")
        // The client at hand cannot send it; it takes the same way as the others.
        if words[0] == "CONNECT" { continue }
        let refused = try await http.send(
          words[0], words[1].replacing(/{\w+}/, with: "x"), headers: [("Authorization", "Bearer \(admin)")])
        #expect(refused.status == 405, "\(route): \(refused.status)")
      }
    }
  }
}
