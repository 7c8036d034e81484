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
