import RegistryModel
import RegistryPostgres

extension Reconciliations {
  /// Says what a run would find, resolve and repair now, and writes nothing: it compares the facts as a run does, in
  /// transactions that are rolled back.
  ///
  /// A run under way is not waited for, and what it has not reached counts as not compared.
  ///
  /// - Parameters:
  ///   - slug: the tenant's slug.
  ///   - isFull: whether everything that was ever recorded is examined instead of what came since the last run.
  ///   - asksProvider: whether Terra's listing is read and compared.
  ///   - repair: whether Terra is asked what it would prove.
  ///   - includingOperators: whether claims of other tenants' connections are looked for; never for a tenant's own eyes.
  /// - Returns: what would be done; partial where Terra could not be asked about everything.
  /// - Throws: `tenant_unknown`, `shadow_mode` for a repair of a tenant in shadow mode, `database_unavailable`.
  public func rehearse(
    tenant slug: String, isFull: Bool = false, asksProvider: Bool = false, repair: RepairMode = .none,
    includingOperators: Bool = false
  ) async throws -> Rehearsal {
    let tenant = try await directory.tenant(slug)
    if tenant.shadow, repair != .none { throw AuthSessions.shadow }
    return try await ReconciliationRehearsal(
      database: database, tenant: tenant, timing: timing, clock: clock,
      scope: RunScope(isFull: isFull, asksProvider: asksProvider, repair: repair), seesOperators: includingOperators,
      questions: questions(slug, patience: TerraQuestions.longestPause), limits: limits
    ).rehearse()
  }
}
