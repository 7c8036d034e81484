@testable import ConnectionRegistry
import Foundation
import RegistryPostgres
import TestDatabase
import Testing

/// Who may make which call through the gateway, over the whole closed list.
@Suite(.migratedDatabase) struct GatewayAdmissionTests {
  @Test func everyCallTakesItsScopeItsKeyAndItsTenantsDevID() async throws {
    try await withStage(StageSettings(slugs: ["acme", "globex"])) { stage in
      let keys = stage.registry.keys
      var keyOf: [APIKeyScope: String] = [:]
      for scope in APIKeyScope.allCases {
        keyOf[scope] = try await keys.create(tenant: "acme", name: "k", scopes: [scope]).secret
      }
      let foreign = try await keys.create(tenant: "globex", name: "k", scopes: [.admin]).secret
      let expired = try await keys.create(
        tenant: "acme", name: "expired", scopes: [.admin], expiresAt: Date(timeIntervalSinceNow: 3_600)
      ).secret
      try await stage.owner.execute(
        """
        UPDATE registry.api_key SET created_at = now() - interval '1 day', expires_at = now() WHERE name = 'expired'
        """)
      func admit(
        _ operation: GatewayOperation, _ apiKeys: [String], _ devIDs: [String] = ["acme-dev-id"]
      ) async throws -> GatewayOperation {
        try await stage.registry.gateway.admit(
          method: operation.method, path: operation.path, apiKeys: apiKeys, devIDs: devIDs
        ).operation
      }
      for operation in GatewayOperation.allCases {
        let right = try #require(keyOf[operation.scope])
        #expect(try await admit(operation, [right]) == operation)
        #expect(try await admit(operation, [try #require(keyOf[.admin])]) == operation)
        #expect(try await admit(operation, [foreign], ["globex-dev-id"]) == operation)
        for (scope, key) in keyOf where scope != operation.scope && scope != .admin {
          await expectError(.forbidden) { _ = try await admit(operation, [key]) }
        }
        let refused: [([String], [String])] = [
          ([], ["acme-dev-id"]), (["wrong"], ["acme-dev-id"]), (["acme-api-key"], ["acme-dev-id"]),
          ([right.dropLast() + "x"], ["acme-dev-id"]), ([expired], ["acme-dev-id"]), ([foreign], ["acme-dev-id"]),
          ([right], ["globex-dev-id"]), ([right], ["ACME-DEV-ID"]), ([right], []), ([right], [""]),
          ([right, right], ["acme-dev-id"]), ([right], ["acme-dev-id", "acme-dev-id"]),
        ]
        for (apiKeys, devIDs) in refused {
          await expectError(.unauthenticated) { _ = try await admit(operation, apiKeys, devIDs) }
        }
      }
    }
  }

  @Test(arguments: [
    "/v2/activity", "/v2/daily", "/v2/athlete", "/v2/users/u", "/v2/userInfo/x", "/v2/USERINFO", "/V2/userInfo",
    "/v2/auth/../userInfo", "/v2/./userInfo", "/v2/%75serInfo", "/v2/userInfo;x", "/v2/auth%2Ftokens", "/v2/%2e%2e/x",
    "/v2\\userInfo", "/v2", "/", "", "/widget", "/v2/widget/session", "/api/v2/userInfo", "/v2/userInfo%00",
    "/v2/integrations/detailed/x", "/v2/auth", "/v2/userInfo/..", "/v2/ userInfo",
  ])
  func noOtherPathIsACall(_ path: String) {
    for method in ["GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "get"] {
      #expect(GatewayOperation(method: method, path: path) == nil)
    }
  }

  /// The path at Terra is the list's own: whatever slashes were sent, none of the caller's text reaches it.
  @Test func slashesAreAllThatIsNormalised() {
    for operation in GatewayOperation.allCases {
      for path in [operation.path, operation.path + "/", "/" + operation.path.replacing("/", with: "//")] {
        #expect(GatewayOperation(method: operation.method, path: path) == operation)
      }
      for method in ["GET", "POST", "DELETE", "PUT", "PATCH"] where method != operation.method {
        #expect(GatewayOperation(method: method, path: operation.path) == nil)
      }
    }
  }
}
