import Foundation
import RegistryPostgres
import RegistrySQL

extension HeldRun {
  /// Copies `terra_users` in the name of the run. Where that cannot be done it is a remark, and stays due: what is recorded is
  /// compared all the same.
  ///
  /// - Parameters:
  ///   - tenant: whose table.
  ///   - connectionString: how it is reached.
  ///   - limit: how long that may take.
  ///   - claim: the run; told how it ended.
  /// - Throws: as ``run(_:renews:limit:memory:)``.
  func copyTerraUsers(
    of tenant: Tenant, from connectionString: () async throws -> String, within limit: Duration,
    _ claim: inout RunClaim
  ) async throws {
    let pass = TerraUsersPass(tenant: tenant) { try await run($0) }
    let remark = try await pass.remark(connectionString, within: limit)
    if let remark { claim.remark(remark) }
    let (id, runID) = (PostgresParameter.uuid(tenantID), PostgresParameter.uuid(runID))
    let done = RegistryStatements.reconciliationTerraUsersDone(
      id, runID, .text(remark == nil ? "complete" : "incomplete"), .textArray(claim.remarks))
    let copied = RegistryStatements.reconciliationTerraUsersCopied(id, runID, .timestamp(claim.at))
    _ = try await run(remark == nil ? [done, copied] : [done])
    claim.hasCopied = true
  }
}
