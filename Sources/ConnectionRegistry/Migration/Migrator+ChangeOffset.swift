import Logging
import RegistryPostgres
import RegistrySQL

/// The positions of the change feed are transaction ids, which begin anew where a dump is restored into another cluster.
extension Migrator {
  /// The migration that brings the feed.
  private static let feed = "change_feed"

  /// Makes sure that new changes come behind those that are there; a service calls it before it takes requests.
  ///
  /// - Throws: `MigrationError.changesAhead` after a restore without ``apply()``; `PostgresError` when the database cannot
  ///   be asked.
  public func requireChangesInOrder() async throws {
    let tenants = try await tenantsAhead()
    guard tenants == 0 else { throw MigrationError.changesAhead(tenants: tenants) }
  }

  private func tenantsAhead() async throws -> Int {
    let rows = try await pool.execute(RegistryStatements.changeOffsetTenantsAhead.bound()).rows
    return try rows.first?.decode("tenants") ?? 0
  }

  /// Lets positions go on behind the last one, where the cluster's ids have not reached it.
  func raiseChangeOffsets() async throws {
    guard migrations.contains(where: { $0.name == Self.feed }), try await tenantsAhead() > 0 else { return }
    let results = try await pool.execute(
      PostgresBatch(statements: [
        RegistryStatements.changeOffsetLock.bound(), RegistryStatements.changeOffsetRaise.bound(),
      ]), deadline: .now.advanced(by: timeout))
    logger.info(
      "the change feed goes on behind its last change", metadata: ["tenants": "\(results.last?.affectedRows ?? 0)"])
  }
}
