public import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL

extension Findings {
  /// Says that somebody has taken a finding on: it stands, but is no news until `until`.
  ///
  /// Said again with other words it takes their place; with the same words it changes nothing. Each time is kept in the
  /// finding's log.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - id: the finding's id.
  ///   - by: who, 1 to 1,024 bytes without control characters.
  ///   - reason: why it may stand, likewise.
  ///   - until: when it is to be open again; nil is never.
  ///   - includingOperators: whether one for operators only may be acknowledged; never for a tenant's own keys.
  /// - Returns: the finding, acknowledged.
  /// - Throws: `tenant_unknown`, `not_found`, `invalid_request` for a field that cannot be taken, `finding_resolved` where
  ///   it has vanished or was repaired, `database_unavailable`.
  public func acknowledge(
    tenant: String, id: UUID, by: String, reason: String, until: Date? = nil, includingOperators: Bool = false
  ) async throws -> Finding {
    try Words.check(by, field: "by")
    try Words.check(reason, field: "reason")
    if let until, until <= Date() { throw RegistryError.invalid("until", "a time that is still to come") }
    let tenantID = try await directory.tenant(tenant).id
    let words: [PostgresParameter] = [.uuid(tenantID), .uuid(id), .text(by), .text(reason), .timestamp(until)]
    let key: [PostgresParameter] = [.uuid(tenantID), .uuid(id)]
    var rows = Array(
      try await database.run(
        tenantID, locking: [id.text],
        [
          BoundStatement(named: RegistryStatements.findingAcknowledge, parameters: words),
          BoundStatement(named: RegistryStatements.findingAcknowledgeLog, parameters: key),
          Self.one(RegistryStatements.findingList, tenantID, id),
        ]
      ).last?.rows.map { $0 } ?? [])
    if rows.isEmpty, includingOperators {
      rows =
        try await database.runAcrossTenants([
          BoundStatement(named: RegistryStatements.findingAcknowledgeForOperators, parameters: words),
          BoundStatement(named: RegistryStatements.findingAcknowledgeLogForOperators, parameters: key),
          Self.one(RegistryStatements.findingListForOperators, tenantID, id),
        ]).last?.rows.map { $0 } ?? []
    }
    guard let row = rows.first else { throw RegistryError.notFound("finding") }
    let finding = try Finding(row: row, tenant: tenant)
    guard finding.status == .acknowledged else {
      throw RegistryError(
        .findingResolved, "the finding is resolved (\(finding.status.rawValue)): there is nothing to acknowledge")
    }
    return finding
  }
}
