@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import NIOHTTP1
import TestDatabase
import TestReceiver
import Testing

/// Every call of the gateway with every kind of credentials, over HTTP. Terra is a server that takes whatever comes, so
/// that nothing goes there unseen.
@Suite(.migratedDatabase) struct GatewayMatrixTests {
  private static let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

  private static let rest = "/**"

  /// The routes that this matrix asks.
  static let routes = Set(
    (GatewayRoutes.paths + [rest]).flatMap { path in methods.map { "\($0) /terra\(path)" } })

  /// A stage whose tenants' Terra is a receiver, and in which `acme` has a live connection.
  private static func with(_ body: @escaping @Sendable (HTTPStage, Receiver) async throws -> Void) async throws {
    let settings = StageSettings.delivering(.forTests { $0.areSent = false }, slugs: ["acme", "globex", "gone"])
    try await Receiver.with { receiver in
      try await withHTTP(settings) { http in
        let root = "http://127.0.0.1:\(receiver.port)"
        var change = TenantChange()
        (change.terraBaseURL, change.terraWidgetURL) = (root + "/v2", root + "/api/widget/session")
        for slug in settings.slugs { _ = try await http.stage.registry.tenants.update(slug, change) }
        try await http.stage.deliver(Payload.auth(user, reference: "person-\(AccessSubjects.mark)"))
        try await body(http, receiver)
      }
    }
  }

  private static let user = "user-\(AccessSubjects.mark)"

  /// Makes a call as one of Terra's clients does.
  private static func ask(
    _ http: HTTPStage, _ operation: GatewayOperation, _ credentials: [(String, String)]
  ) async throws -> HTTPStage.Answer {
    let query: String =
      switch operation {
      case .authenticateUser: "?resource=FITBIT"
      case .deauthenticateUser, .userInfo: "?user_id=\(user)"
      default: ""
      }
    let body = operation == .bulkUserInfo ? "[\"\(user)\"]" : "{}"
    return try await http.send(
      operation.method, "/terra\(operation.path)\(query)", json: operation.method == "POST" ? body : nil,
      headers: credentials)
  }

  /// A refusal in the form that the clients of both of Terra's generations read.
  private static func expectRefusal(
    _ answer: HTTPStage.Answer, _ status: Int, _ code: String, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    #expect(answer.status == status, "\(what)", sourceLocation: sourceLocation)
    #expect(answer.headers["Content-Type"] == ["application/json"], "\(what)", sourceLocation: sourceLocation)
    #expect(answer.headers["Cache-Control"] == ["no-store"], "\(what)", sourceLocation: sourceLocation)
    let members = try #require(
      try JSONSerialization.jsonObject(with: answer.body) as? [String: String], "\(what)",
      sourceLocation: sourceLocation)
    let requestID = try #require(answer.headers.first(name: "X-Request-Id"), sourceLocation: sourceLocation)
    #expect(
      members == [
        "status": "error", "message": members["message"] ?? "", "code": code,
        "type": "urn:connection-registry:problem:\(code)", "title": code.replacing("_", with: " "),
        "detail": members["message"] ?? "", "instance": "urn:connection-registry:request:\(requestID)",
      ], "\(what)", sourceLocation: sourceLocation)
    #expect(members["message"]?.isEmpty == false, "\(what)", sourceLocation: sourceLocation)
    for secret in ["crk_", "acme-api-key", "globex-api-key", AccessSubjects.mark] {
      #expect(!answer.text.contains(secret), "\(what)", sourceLocation: sourceLocation)
    }
  }

  @Test func everyCallLetsInWhomItDeclaresAndNobodyElse() async throws {
    try await Self.with { http, terra in
      let bad = try await BadKeys.make(http)
      let stranger = try await http.key(.admin, tenant: "globex")
      let admin = try await http.key(.admin)
      let (devID, strange) = (("dev-id", "acme-dev-id"), ("dev-id", "globex-dev-id"))
      var single: [APIKeyScope: String] = [:]
      for scope in APIKeyScope.allCases { single[scope] = try await http.key(scope) }
      let nobody: [(what: String, credentials: [(String, String)])] =
        bad.all.map { what, key in (what, key.map { [("x-api-key", $0), devID] } ?? [devID]) } + [
          ("another tenant's key", [("x-api-key", stranger), devID]),
          ("another tenant's dev-id", [("x-api-key", admin), strange]),
          ("no dev-id", [("x-api-key", admin)]), ("an empty dev-id", [("x-api-key", admin), ("dev-id", "")]),
          ("a dev-id in another case", [("x-api-key", admin), ("dev-id", "ACME-DEV-ID")]),
          ("two dev-ids", [("x-api-key", admin), devID, devID]),
          ("two tenants' dev-ids", [("x-api-key", admin), devID, strange]),
          ("two keys", [("x-api-key", admin), ("x-api-key", admin), devID]),
          ("two tenants' keys", [("x-api-key", stranger), ("x-api-key", admin), devID]),
          ("Terra's own key", [("x-api-key", "acme-api-key"), devID]),
          ("the key in another header", [("Authorization", "Bearer \(admin)"), devID]),
        ]
      for operation in GatewayOperation.allCases {
        let others = try await http.stage.registry.keys.create(
          tenant: "acme", name: "tests", scopes: Set(APIKeyScope.allCases).subtracting([operation.scope, .admin])
        ).secret
        let (before, asked) = (try await http.stage.contents(of: "acme"), terra.requests.count)
        for (what, credentials) in nobody {
          try Self.expectRefusal(
            try await Self.ask(http, operation, credentials), 401, "unauthenticated", "\(operation), \(what)")
        }
        let without = APIKeyScope.allCases.filter { $0 != operation.scope && $0 != .admin }
        for key in without.compactMap({ single[$0] }) + [others] {
          let refused = try await Self.ask(http, operation, [("x-api-key", key), devID])
          try Self.expectRefusal(refused, 403, "forbidden", "\(operation)")
          #expect(refused.text.contains(operation.scope.rawValue), "\(operation)")
        }
        #expect(terra.requests.count == asked, "\(operation): Terra was asked")
        #expect(try await http.stage.contents(of: "acme") == before, "\(operation)")
        // Another tenant's key is for that tenant, at its own Terra.
        #expect(try await Self.ask(http, operation, [("x-api-key", stranger), strange]).status == 200, "\(operation)")
        #expect(Self.credentials(terra) == ["globex-api-key", "globex-dev-id"], "\(operation)")
        #expect(try await http.stage.contents(of: "acme") == before, "\(operation)")
        for key in [single[operation.scope], admin].compactMap({ $0 }) {
          let count = terra.requests.count
          let passed = try await Self.ask(http, operation, [("x-api-key", key), devID])
          #expect(passed.status == 200 && passed.text == "ok", "\(operation)")
          #expect(terra.requests.count == count + 1, "\(operation)")
          #expect(Self.credentials(terra) == ["acme-api-key", "acme-dev-id"], "\(operation)")
        }
      }
    }
  }

  /// With what Terra was asked the last time.
  private static func credentials(_ terra: Receiver) -> [String?] {
    ["x-api-key", "dev-id"].map { terra.requests.last?.headers[$0] }
  }

  /// Everything else below `/terra`, with a key that may do everything.
  @Test func nothingElseIsPassedOn() async throws {
    try await Self.with { http, terra in
      let credentials = [("x-api-key", try await http.key(.admin)), ("dev-id", "acme-dev-id")]
      let paths =
        Set(GatewayRoutes.paths).subtracting([Self.rest]).sorted() + [
          "/v2/activity", "/v2/daily", "/v2/users/\(Self.user)", "/v2/userInfo/x", "/v2/auth/x", "/widget/x", "/x",
          "/v2/%75serInfo", "/v2/auth/..%2FuserInfo",
        ]
      let before = try await http.stage.contents(of: "acme")
      for path in paths {
        for method in Self.methods where GatewayOperation(method: method, path: path) == nil {
          let refused = try await http.send(method, "/terra\(path)", headers: credentials)
          guard method != "HEAD" else {
            #expect(refused.status == 404 && refused.body.isEmpty, "HEAD \(path)")
            continue
          }
          try Self.expectRefusal(refused, 404, "not_found", "\(method) \(path)")
        }
      }
      #expect(terra.requests.isEmpty)
      #expect(try await http.stage.contents(of: "acme") == before)
    }
  }
}
