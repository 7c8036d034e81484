import Foundation

extension AppUsers {
  /// How long an erasure may take before it is to be asked for again.
  public static let erasureLimit: Duration = .seconds(240)

  /// Takes out everything that is held about one app user and about those who were merged into it: connections with their
  /// changes, sessions, events and receipts with their bodies, callbacks, corrections, findings, deliveries, tags, kept
  /// answers, and their names in the audit.
  ///
  /// First it is noted, as digests, which connections and sessions are theirs: from then on nothing about one of them is
  /// recorded, wherever it comes from. The `reference_id` may come again, with a new session or connection, and is then a
  /// new app user. Nobody waits for an erasure; it waits for transactions that are under way, goes in small parts, and may
  /// be repeated: one that was broken off is gone on with. Terra is not asked to end anything: deauthenticate before.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - referenceID: the app user's id at the team.
  ///   - actor: who asks, for the audit.
  ///   - limit: how long it may take.
  /// - Returns: how much was taken out.
  /// - Throws: `tenant_unknown`, `not_found` where nothing names the app user, `merge_conflict` for one who was merged into
  ///   another: erase that one; `erasure_unfinished` where it takes longer: ask again; `database_unavailable`.
  public func erase(
    tenant: String, _ referenceID: String, by actor: String, within limit: Duration = Self.erasureLimit
  ) async throws -> Erasure {
    try await eraser(tenant: tenant, referenceID, within: limit).run(by: actor)
  }

  func eraser(tenant: String, _ referenceID: String, within limit: Duration) async throws -> Eraser {
    let id = try await directory.require(tenant).tenant.id
    guard !referenceID.utf8.contains(0) else { throw RegistryError.notFound("app user") }
    return Eraser(
      database: database, keyRing: directory.keyRing, tenantID: id, referenceID: referenceID, deadline: .now + limit)
  }
}
