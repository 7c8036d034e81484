@testable import ConnectionRegistry
import Foundation
import RegistryPostgres
import Testing

/// Keys that hold for nothing, each with what is wrong with it.
struct BadKeys: Sendable {
  var all: [(what: String, key: String?)]

  /// Makes them; the stage needs the tenants `acme` and `gone`, which is disabled then.
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
