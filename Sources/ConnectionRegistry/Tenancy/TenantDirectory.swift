import Foundation
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
import RegistrySQL
import RegistryTerra

/// What the registry knows of the tenants it serves, read again after a few seconds, so that every replica sees a
/// change soon and no request waits for it.
///
/// Unknown slugs are remembered too: probing for tenants costs the prober, not the database.
final class TenantDirectory: Sendable {
  /// A tenant with its opened secrets.
  struct Entry: Sendable {
    var tenant: Tenant
    /// The accepted signing secrets, newest first.
    var signingSecrets: [[UInt8]]
    var terraAPIKey: String
  }

  static let lifetime: Duration = .seconds(5)
  static let capacity = 10_000

  /// A tenant, and its secrets as far as the master keys at hand open them.
  private struct Known {
    var tenant: Tenant
    var signingSecrets: Result<[[UInt8]], RegistryError>
    var terraAPIKey: Result<String, RegistryError>
    var terraUsersURL: Result<String, RegistryError>
  }

  private struct Remembered {
    var known: Known?
    var until: ContinuousClock.Instant
  }

  private let database: RegistryDatabase
  let keyRing: MasterKeyRing
  private let remembered = NIOLockedValueBox<[String: Remembered]>([:])

  init(database: RegistryDatabase, keyRing: MasterKeyRing) {
    self.database = database
    self.keyRing = keyRing
  }

  /// The tenant of a slug, or nil where there is none or it is disabled.
  ///
  /// - Throws: `secret_unreadable` where one of its secrets cannot be opened, `database_unavailable`.
  func find(_ slug: String) async throws -> Entry? {
    guard let known = try await know(slug) else { return nil }
    return Entry(
      tenant: known.tenant, signingSecrets: try known.signingSecrets.get(), terraAPIKey: try known.terraAPIKey.get())
  }

  /// The tenant of a slug.
  ///
  /// - Throws: `tenant_unknown` where there is none or it is disabled; what ``find(_:)`` throws.
  func require(_ slug: String) async throws -> Entry {
    guard let entry = try await find(slug) else { throw Self.unknown }
    return entry
  }

  /// The tenant of a slug, whether or not its secrets can be opened.
  ///
  /// - Throws: `tenant_unknown` where there is none or it is disabled, `database_unavailable`.
  func tenant(_ slug: String) async throws -> Tenant {
    guard let known = try await know(slug) else { throw Self.unknown }
    return known.tenant
  }

  /// A tenant's way to Terra, whether or not its other secrets can be opened.
  ///
  /// - Throws: `secret_unreadable` where no API key is stored or it cannot be opened, `tenant_unknown`,
  ///   `database_unavailable`.
  func terraClient(of slug: String, deadline: Duration) async throws -> TerraClient {
    guard let known = try await know(slug) else { throw Self.unknown }
    let key = try Self.stored(known.terraAPIKey, .terraAPIKey)
    return Entry(tenant: known.tenant, signingSecrets: [], terraAPIKey: key).terraClient(deadline: deadline)
  }

  /// How the database with a tenant's table `terra_users` is reached.
  ///
  /// - Throws: as ``terraClient(of:deadline:)``.
  func terraUsersURL(of slug: String) async throws -> String {
    guard let known = try await know(slug) else { throw Self.unknown }
    return try Self.stored(known.terraUsersURL, .terraUsersURL)
  }

  private static func stored(
    _ secret: Result<String, RegistryError>, _ purpose: MasterKeyRing.Purpose
  ) throws -> String {
    let secret = try secret.get()
    guard !secret.isEmpty else {
      throw RegistryError(.secretUnreadable, "no \(purpose.rawValue) is stored for this tenant")
    }
    return secret
  }

  private static let unknown = RegistryError(
    .tenantUnknown, "no tenant has this slug: `registry tenant list` shows those there are")

  private func know(_ slug: String) async throws -> Known? {
    // What cannot be a slug is not looked up, and cannot fill the memory.
    guard (try? TenantSlug(slug)) != nil else { return nil }
    let now = ContinuousClock.now
    if let remembered = remembered.withLockedValue({ $0[slug] }), remembered.until > now { return remembered.known }
    let known = try await read(slug)
    remembered.withLockedValue { all in
      if all.count >= Self.capacity { all.removeAll(keepingCapacity: true) }
      all[slug] = Remembered(known: known, until: now + Self.lifetime)
    }
    return known
  }

  /// Makes the next look read the database.
  func forget(_ slug: String) {
    remembered.withLockedValue { $0[slug] = nil }
  }

  private func read(_ slug: String) async throws -> Known? {
    let id = TenantID.of(slug: slug)
    let results = try await database.run(
      id, [RegistryStatements.tenantShow(.uuid(id)), RegistryStatements.tenantSecretList(.uuid(id))])
    guard results.count == 2, let row = results[0].rows.first else { return nil }
    let tenant = try Tenant(row: row)
    guard tenant.disabledAt == nil else { return nil }
    var sealed: [String: [[UInt8]]] = [:]
    for secret in results[1].rows {
      sealed[try secret.decode("purpose", as: String.self), default: []].append(try secret.decode("sealed"))
    }
    func open(_ purpose: MasterKeyRing.Purpose, newest count: Int = .max) -> Result<[[UInt8]], RegistryError> {
      Result { () throws(RegistryError) in
        try (sealed[purpose.rawValue] ?? []).prefix(count).map { secret throws(RegistryError) in
          try keyRing.open(secret, tenantID: id, purpose: purpose)
        }
      }
    }
    func newest(_ purpose: MasterKeyRing.Purpose) -> Result<String, RegistryError> {
      open(purpose, newest: 1).map { String(decoding: $0.first ?? [], as: UTF8.self) }
    }
    return Known(
      tenant: tenant, signingSecrets: open(.terraSigning), terraAPIKey: newest(.terraAPIKey),
      terraUsersURL: newest(.terraUsersURL))
  }
}
