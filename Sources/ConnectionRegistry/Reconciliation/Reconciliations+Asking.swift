import Foundation
import RegistryPostgres
import RegistrySQL

extension Reconciliations {
  /// How many runs of one tenant may wait.
  public static let maximumQueued = 8

  /// Asks for a run, and does not wait for it: whoever works on the schedule, in whatever process, begins it after those
  /// that wait already, also of a tenant that is paused. What ``run(tenant:isFull:asksProvider:repair:)`` does is done.
  ///
  /// - Parameters:
  ///   - slug: the tenant's slug.
  ///   - isFull: whether everything that was ever recorded is examined.
  ///   - asksProvider: whether Terra's listing is read and compared.
  ///   - repair: whether what Terra's answers prove is made good.
  /// - Returns: the run, `queued`.
  /// - Throws: `tenant_unknown`, `shadow_mode` for a repair of a tenant in shadow mode, `limit_reached` where
  ///   ``maximumQueued`` wait, `database_unavailable`.
  public func ask(
    tenant slug: String, isFull: Bool = false, asksProvider: Bool = false, repair: RepairMode = .none
  ) async throws -> ReconciliationRun {
    let tenant = try await directory.tenant(slug)
    if tenant.shadow, repair != .none { throw AuthSessions.shadow }
    let (id, runID) = (PostgresParameter.uuid(tenant.id), UUID.version7())
    let results = try await database.run(
      tenant.id,
      [
        RegistryStatements.reconciliationStateInsert(id),
        RegistryStatements.reconciliationRunAsk(
          id, .uuid(runID), .bool(asksProvider), .text(repair.rawValue), .bool(isFull), .int(Self.maximumQueued)),
        RegistryStatements.reconciliationAsk(id, .timestamp(clock.now())),
        Self.one(id, runID),
      ])
    guard let row = results.last?.rows.first else {
      throw RegistryError(.limitReached, "\(Self.maximumQueued) runs wait already, and no more may")
    }
    wake.ring()
    return try ReconciliationRun(row: row, tenant: slug)
  }
}
