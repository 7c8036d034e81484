import Foundation

/// The id of a tenant inside the database.
///
/// It is derived from the slug (RFC 9562, version 8), so a route names its tenant without a search across tenants,
/// and the primary key keeps slugs unique also where the table is distributed.
enum TenantID {
  static func of(slug: String) -> UUID {
    UUID(bytes: Array(Fingerprint.sha256(of: ["connection-registry tenant", slug]).prefix(16)), version: 8)
  }
}
