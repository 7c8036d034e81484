import RegistryModel
import RegistryPostgres
import RegistrySQL

/// The app users of a tenant.
public struct AppUsers: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory
  let timing: Timing

  /// Shows one app user with all its connections and its sessions.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - referenceID: the app user's id at the team.
  /// - Returns: the app user; connections in every state.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func show(tenant: String, _ referenceID: String) async throws -> AppUserDetail {
    let entry = try await directory.require(tenant)
    let id = PostgresParameter.uuid(entry.tenant.id)
    let limit = PostgresParameter.int(Page.maximumLimit)
    guard (try? ReferenceID(referenceID)) != nil else { throw RegistryError.notFound("app user") }
    let results = try await database.run(
      entry.tenant.id,
      [
        RegistryStatements.appUserShow(id, .text(referenceID)),
        RegistryStatements.connectionListOfPerson(
          id, .null, .textArray(ConnectionStatus.allCases.map(\.rawValue)), .null, .null, limit, .text(referenceID)),
        RegistryStatements.authSessionList(
          id, .double(timing.grace(of: entry.tenant)), .null, .text(referenceID), .null, .null, limit),
      ])
    guard results.count == 3, let row = results[0].rows.first else { throw RegistryError.notFound("app user") }
    return AppUserDetail(
      referenceID: try row.decode("reference_id"), createdAt: try row.decode("created_at"),
      connections: try results[1].rows.map(Connection.init(row:)),
      sessions: try results[2].rows.map(AuthSession.init(row:)))
  }
}
