import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL

/// The tenants of a deployment: made, shown, listed.
public struct Tenants: Sendable {
  let database: RegistryDatabase
  let keyRing: MasterKeyRing
  let directory: TenantDirectory

  /// Makes a tenant, with its two secrets sealed.
  ///
  /// - Parameter new: what the tenant is made of.
  /// - Returns: the tenant as stored.
  /// - Throws: `invalid_request` for a field that cannot be taken, `tenant_exists`, `database_unavailable`.
  public func create(_ new: NewTenant) async throws -> Tenant {
    try Self.check(new)
    let id = TenantID.of(slug: new.slug)
    let returnURLs = try new.returnURLs.map { try ReturnURL(pattern: $0, environment: new.environment).text }
    let apiKey = try keyRing.seal(Array(new.terraAPIKey.utf8), tenantID: id, purpose: .terraAPIKey)
    let signing = try keyRing.seal(Array(new.signingSecret.utf8), tenantID: id, purpose: .terraSigning)
    let secretIDs = [UUID.version7(), UUID.version7()]
    let results = try await database.run(
      id,
      [
        RegistryStatements.tenantInsert(
          .uuid(id), .text(new.slug), .text(new.environment), .text(new.devID), .text(new.terraBaseURL),
          .text(new.terraWidgetURL), .textArray(returnURLs), .double(new.grace?.inSeconds),
          .double(new.sessionExpiry?.inSeconds), .double(new.horizon?.inSeconds),
          .double(new.signatureFailingAfter?.inSeconds), .bool(new.shadow), .bool(new.bindsBrowser),
          .double(new.providerEvery?.inSeconds), .text(new.repair.rawValue)),
        RegistryStatements.tenantSecretInsertFirst(
          .uuid(id), .uuid(secretIDs[0]), .text(MasterKeyRing.Purpose.terraAPIKey.rawValue), .bytes(apiKey)),
        RegistryStatements.tenantSecretInsertFirst(
          .uuid(id), .uuid(secretIDs[1]), .text(MasterKeyRing.Purpose.terraSigning.rawValue), .bytes(signing)),
        RegistryStatements.tenantSecretList(.uuid(id)),
        // Its place in the schedule.
        RegistryStatements.reconciliationStateInsert(.uuid(id)),
        RegistryStatements.tenantShow(.uuid(id)),
      ])
    // After a lost answer the repetition writes nothing, but finds the secrets of its own.
    let stored = try results[3].rows.map { try $0.decode("secret_id", as: UUID.self) }
    guard Set(stored).isSuperset(of: secretIDs) else {
      throw RegistryError(.tenantExists, "a tenant with this slug exists: choose another slug", field: "slug")
    }
    directory.forget(new.slug)
    guard let row = results.last?.rows.first else { throw RegistryError.notFound("tenant") }
    return try Tenant(row: row)
  }

  /// Shows one tenant, a disabled one too.
  ///
  /// - Parameter slug: the tenant's name.
  /// - Returns: the tenant, without its secrets.
  /// - Throws: `tenant_unknown`, `database_unavailable`.
  public func show(_ slug: String) async throws -> Tenant {
    let id = TenantID.of(slug: slug)
    guard let row = try await database.run(id, RegistryStatements.tenantShow(.uuid(id))).rows.first else {
      throw RegistryError(.tenantUnknown, "no tenant has this slug: `registry tenant list` shows those there are")
    }
    return try Tenant(row: row)
  }

  /// Lists the tenants of the deployment by slug.
  ///
  /// - Parameters:
  ///   - after: the last slug of the page before; nil begins at the start.
  ///   - limit: how many at most.
  /// - Returns: the tenants, without their secrets.
  /// - Throws: `database_unavailable`.
  public func list(after: String? = nil, limit: Int = 50) async throws -> [Tenant] {
    let results = try await database.runAcrossTenants([RegistryStatements.tenantList(.text(after), .int(limit))])
    return try results.first.map { try $0.rows.map(Tenant.init(row:)) } ?? []
  }

  private static func check(_ new: NewTenant) throws {
    do {
      _ = try TenantSlug(new.slug)
    } catch {
      throw RegistryError.invalid("slug", "\(error)")
    }
    guard ["production", "staging", "testing"].contains(new.environment) else {
      throw RegistryError.invalid("environment", "one of production, staging, testing")
    }
    try check(texts: [
      ("dev_id", new.devID), ("terra_api_key", new.terraAPIKey), ("signing_secret", new.signingSecret),
    ])
    try check(urls: [("terra_base_url", new.terraBaseURL), ("terra_widget_url", new.terraWidgetURL)])
    try check(durations: [
      ("grace", new.grace), ("session_expiry", new.sessionExpiry), ("horizon", new.horizon),
      ("signature_failing_after", new.signatureFailingAfter),
    ])
    try check(providerEvery: new.providerEvery)
  }

  static func check(providerEvery every: Duration?) throws {
    if let every, every != .zero, every < .seconds(60) {
      throw RegistryError.invalid("provider_every", "a duration from a minute on, such as 6h, or 0s for never")
    }
  }

  static func check(texts: [(field: String, value: String)]) throws {
    for (field, value) in texts {
      guard !value.isEmpty, value.utf8.count <= 1_024, !value.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
        throw RegistryError.invalid(field, "1 to 1,024 bytes without control characters, as Terra's dashboard shows it")
      }
    }
  }

  static func check(urls: [(field: String, value: String)]) throws {
    for (field, value) in urls {
      guard let url = URL(string: value), let scheme = url.scheme, ["https", "http"].contains(scheme), url.host != nil
      else {
        throw RegistryError.invalid(field, "a full URL, such as \(NewTenant.defaultTerraBaseURL)")
      }
    }
  }

  static func check(durations: [(field: String, value: Duration?)]) throws {
    for (field, value) in durations {
      if let value, value <= .zero { throw RegistryError.invalid(field, "a duration above zero, such as 10m") }
    }
  }
}
