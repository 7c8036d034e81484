import Foundation
import RegistryPostgres
import RegistrySQL

extension Tenants {
  /// For how long the signing secrets before the new one are accepted, where nothing else is said: longer than Terra
  /// tries a webhook again (contract: eight times in about 24 hours).
  public static let defaultOverlap: Duration = .seconds(48 * 3_600)

  /// Replaces secrets that the tenant has at Terra. Running services notice within seconds.
  ///
  /// - Parameters:
  ///   - slug: the tenant's name.
  ///   - signingSecret: the new signing secret of the webhook destination; nil leaves it.
  ///   - terraAPIKey: the new API key of Terra, used from then on alone; nil leaves it.
  ///   - overlap: for how long the signing secrets before are accepted too; zero ends them at once, 30 days at most.
  /// - Returns: the tenant, without its secrets.
  /// - Throws: `tenant_unknown`, `invalid_request` where no secret is given, for one that cannot be taken and for an
  ///   overlap out of bounds, `database_unavailable`.
  public func rotateSecrets(
    _ slug: String, signingSecret: String? = nil, terraAPIKey: String? = nil, overlap: Duration = Tenants.defaultOverlap
  ) async throws -> Tenant {
    let tenant = try await show(slug)
    let given: [(field: String, value: String, purpose: MasterKeyRing.Purpose, overlap: Duration)] = [
      signingSecret.map { ("signing_secret", $0, .terraSigning, overlap) },
      terraAPIKey.map { ("terra_api_key", $0, .terraAPIKey, .zero) },
    ].compactMap(\.self)
    guard !given.isEmpty else { throw RegistryError.invalid("signing_secret", "a new secret, or Terra's new API key") }
    try Self.check(texts: given.map { ($0.field, $0.value) })
    guard overlap >= .zero, overlap <= .seconds(30 * 86_400) else {
      throw RegistryError.invalid("overlap", "from nothing to 30 days")
    }
    let id = PostgresParameter.uuid(tenant.id)
    var statements: [BoundStatement] = []
    for secret in given {
      let sealed = try keyRing.seal(Array(secret.value.utf8), tenantID: tenant.id, purpose: secret.purpose)
      let (purpose, secretID) = (PostgresParameter.text(secret.purpose.rawValue), PostgresParameter.uuid(.version7()))
      statements += [
        RegistryStatements.tenantSecretInsert(id, secretID, purpose, .bytes(sealed)),
        RegistryStatements.tenantSecretRetire(id, purpose, secretID, .double(secret.overlap.inSeconds)),
      ]
    }
    _ = try await database.run(tenant.id, locking: [slug], statements)
    directory.forget(slug)
    return tenant
  }

  /// Disables a tenant, or enables it again. While it is disabled its webhooks and keys are refused as those of a tenant
  /// that does not exist, and nothing runs for it; what is stored stays.
  ///
  /// - Parameters:
  ///   - slug: the tenant's name.
  ///   - isDisabled: false enables it.
  /// - Returns: the tenant as it is now.
  /// - Throws: `tenant_unknown`, `database_unavailable`.
  public func disable(_ slug: String, _ isDisabled: Bool = true) async throws -> Tenant {
    let tenant = try await show(slug)
    _ = try await database.run(
      tenant.id, locking: [slug], RegistryStatements.tenantDisable(.uuid(tenant.id), .bool(isDisabled)))
    directory.forget(slug)
    return try await show(slug)
  }
}
