import Foundation
import RegistryPostgres

extension ReconciliationRun {
  init(row: PostgresRow, tenant: String) throws {
    guard let outcome = Outcome(rawValue: try row.decode("outcome")) else {
      throw RegistryError(.schemaNewer, "a run has an outcome that this version does not know")
    }
    self.init(
      runID: try row.decode("run_id"), tenant: tenant, startedAt: try row.decode("started_at"),
      finishedAt: try row.decodeIfPresent("finished_at"), windowStart: try row.decodeIfPresent("window_start"),
      windowEnd: try row.decode("window_end"), outcome: outcome, examined: try row.decode("examined"),
      foundNew: try row.decode("found_new"), persisting: try row.decode("persisting"),
      resolved: try row.decode("resolved"), repaired: try row.decode("repaired"), missed: try row.decode("missed"),
      provider: try row.decodeIfPresent("provider"),
      repair: RepairMode(rawValue: try row.decode("repair")) ?? .none, remarks: try row.decode("remarks"),
      error: try row.decodeIfPresent("error"))
  }
}

extension ReconciliationRun {
  /// A run of which the database has no row, because it could not begin.
  ///
  /// - Parameters:
  ///   - claim: what is known of it; nil where not even its place could be taken.
  ///   - tenant: the tenant's slug.
  ///   - now: the present moment.
  ///   - error: why.
  /// - Returns: the run, failed.
  static func unwritten(
    _ claim: RunClaim? = nil, of tenant: String, at now: Date, after error: any Error
  ) -> ReconciliationRun {
    ReconciliationRun(
      runID: claim?.runID ?? .version7(), tenant: tenant, startedAt: now, finishedAt: now,
      windowStart: claim?.windowStart, windowEnd: claim?.windowEnd ?? now, outcome: .failed, examined: 0, foundNew: 0,
      persisting: 0, resolved: 0, repaired: 0, missed: 0, provider: nil, repair: claim?.repair ?? .none, remarks: [],
      error: Reconciliations.reason(error))
  }
}
