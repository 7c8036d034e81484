import Foundation
import RegistryPostgres
import RegistrySQL

/// What a run examines: each family of subjects is judged by one statement. ``FactWindow`` collects them.
enum SubjectFamily: String, CaseIterable {
  case session, userID = "user_id", attempt, receipt, tenant, listing

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

  /// Asks what callbacks of some of the family's subjects claim that is no connection of the tenant's own.
  ///
  /// - Returns: the statement; nil for a family that has no callbacks.
  func claims(of subjects: [String], tenantID: UUID) -> BoundStatement? {
    guard self == .session || self == .attempt else { return nil }
    return RegistryStatements.reconciliationClaimed(.uuid(tenantID), .text(rawValue), .textArray(subjects)).plannedAnew
  }
}
