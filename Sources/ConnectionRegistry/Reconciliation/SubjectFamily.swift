import Foundation
import RegistryPostgres
import RegistrySQL

/// What a run examines: each family of subjects is collected by one statement and judged by another.
enum SubjectFamily: String, CaseIterable {
  case session, userID = "user_id", attempt, receipt, tenant, listing

  /// Collects the family's subjects of a window.
  func collect(tenantID: UUID, runID: UUID, from start: Date?, to end: Date) -> BoundStatement {
    let (id, run) = (PostgresParameter.uuid(tenantID), PostgresParameter.uuid(runID))
    let (start, end) = (PostgresParameter.timestamp(start), PostgresParameter.timestamp(end))
    let statement =
      switch self {
      case .session: RegistryStatements.reconciliationCollectSessions(id, run, start, end)
      case .userID: RegistryStatements.reconciliationCollectConnections(id, run, start, end)
      case .attempt: RegistryStatements.reconciliationCollectAttempts(id, run, start, end)
      case .receipt: RegistryStatements.reconciliationCollectReceipts(id, run, start, end)
      case .tenant: RegistryStatements.reconciliationCollectTenant(id, run)
      case .listing: RegistryStatements.reconciliationCollectListing(id, run)
      }
    return statement.plannedAnew
  }

  /// Judges some of the family's subjects and writes what it finds.
  func judge(_ subjects: [String], of tenant: Tenant, runID: UUID, timing: Timing) -> BoundStatement {
    let (id, run) = (PostgresParameter.uuid(tenant.id), PostgresParameter.uuid(runID))
    let grace = PostgresParameter.double(timing.grace(of: tenant))
    let subjects = PostgresParameter.textArray(subjects)
    let statement =
      switch self {
      case .session: RegistryStatements.reconcileSessions(id, run, grace, subjects)
      case .userID: RegistryStatements.reconcileConnections(id, run, grace, subjects)
      case .attempt: RegistryStatements.reconcileAttempts(id, run, grace, subjects)
      case .receipt: RegistryStatements.reconcileReceipts(id, run, grace, subjects)
      case .listing: RegistryStatements.reconcileListing(id, run, grace, subjects)
      case .tenant:
        RegistryStatements.reconcileTenant(id, run, .double(timing.signatureFailing(of: tenant)), subjects)
      }
    return statement.plannedAnew
  }
}
