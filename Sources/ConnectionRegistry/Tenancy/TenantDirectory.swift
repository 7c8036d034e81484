import Foundation
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
import RegistrySQL

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

  private struct Remembered {
    var entry: Entry?
    var until: ContinuousClock.Instant
  }

  private let database: RegistryDatabase
  private let keyRing: MasterKeyRing
  private let remembered = NIOLockedValueBox<[String: Remembered]>([:])

  init(database: RegistryDatabase, keyRing: MasterKeyRing) {
    self.database = database
    self.keyRing = keyRing
  }

  /// The tenant of a slug, or nil where there is none or it is disabled.
  func find(_ slug: String) async throws -> Entry? {
    // What cannot be a slug is not looked up, and cannot fill the memory.
    guard (try? TenantSlug(slug)) != nil else { return nil }
    let now = ContinuousClock.now
    if let known = remembered.withLockedValue({ $0[slug] }), known.until > now { return known.entry }
    let entry = try await read(slug)
    remembered.withLockedValue { all in
      if all.count >= Self.capacity { all.removeAll(keepingCapacity: true) }
      all[slug] = Remembered(entry: entry, until: now + Self.lifetime)
    }
    return entry
  }

  /// The tenant of a slug.
  ///
  /// - Throws: `tenant_unknown` where there is none or it is disabled.
  func require(_ slug: String) async throws -> Entry {
    guard let entry = try await find(slug) else {
      throw RegistryError(.tenantUnknown, "no tenant has this slug: `registry tenant list` shows those there are")
    }
    return entry
  }

  /// Makes the next look read the database.
  func forget(_ slug: String) {
    remembered.withLockedValue { $0[slug] = nil }
  }

  private func read(_ slug: String) async throws -> Entry? {
    let id = TenantID.of(slug: slug)
    let results = try await database.run(
      id, [RegistryStatements.tenantShow(.uuid(id)), RegistryStatements.tenantSecretList(.uuid(id))])
    guard results.count == 2, let row = results[0].rows.first else { return nil }
    let tenant = try Tenant(row: row)
    guard tenant.disabledAt == nil else { return nil }
    var entry = Entry(tenant: tenant, signingSecrets: [], terraAPIKey: "")
    for secret in results[1].rows {
      let sealed = try secret.decode("sealed", as: [UInt8].self)
      switch try secret.decode("purpose", as: String.self) {
      case MasterKeyRing.Purpose.terraSigning.rawValue:
        entry.signingSecrets.append(try keyRing.open(sealed, tenantID: id, purpose: .terraSigning))
      case MasterKeyRing.Purpose.terraAPIKey.rawValue where entry.terraAPIKey.isEmpty:
        entry.terraAPIKey = String(
          decoding: try keyRing.open(sealed, tenantID: id, purpose: .terraAPIKey), as: UTF8.self)
      default: break
      }
    }
    return entry
  }
}
