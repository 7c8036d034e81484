import Foundation
public import RegistryModel
import RegistryPostgres
import RegistrySQL

/// The connections of a tenant, as all facts so far make them.
public struct Connections: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory
  let timing: Timing
  let terraDeadline: Duration

  /// How many changes, events, sessions and corrections a detail shows at most.
  public static let detailLimit = 100

  /// Lists connections, oldest first.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - filter: which connections.
  ///   - page: which part.
  /// - Returns: a page of connections.
  /// - Throws: `tenant_unknown`, `invalid_request` for a bad page, `database_unavailable`.
  public func list(
    tenant: String, filter: ConnectionFilter = ConnectionFilter(), page: Page = Page()
  ) async throws -> Listed<Connection> {
    let id = try await directory.require(tenant).tenant.id
    let cursor = try Cursor(page: page)
    var statement = RegistryStatements.connectionList(
      .uuid(id), .text(filter.resource?.uppercased()), .textArray(filter.statusTexts), .timestamp(cursor?.at),
      .text(cursor?.id), .int(page.limit + 1))
    if let person = filter.referenceID {
      statement = BoundStatement(
        named: RegistryStatements.connectionListOfPerson, parameters: statement.parameters + [.text(person)])
    }
    let rows = try await database.run(id, statement).rows.map(Connection.init(row:))
    return Listed(rows, limit: page.limit) { Cursor(at: $0.createdAt, id: $0.userID) }
  }

  /// Lists the connections of one app user.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - referenceID: the app user's id at the team.
  ///   - status: in this state only; nil leaves out `pending` and `failed`.
  /// - Returns: up to ``Page/maximumLimit`` connections, oldest first.
  /// - Throws: `tenant_unknown`, `database_unavailable`.
  public func list(tenant: String, referenceID: String, status: ConnectionStatus? = nil) async throws -> [Connection] {
    try await list(
      tenant: tenant, filter: ConnectionFilter(referenceID: referenceID, statuses: status.map { [$0] }),
      page: Page(limit: Page.maximumLimit)
    ).items
  }

  /// Shows one connection with its whole story.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - userID: Terra's id of the connection.
  /// - Returns: the connection, its changes, events, sessions and corrections, up to ``detailLimit`` of each.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func show(tenant: String, _ userID: String) async throws -> ConnectionDetail {
    let entry = try await directory.require(tenant)
    let id = PostgresParameter.uuid(entry.tenant.id)
    let limit = PostgresParameter.int(Self.detailLimit)
    let results = try await database.run(
      entry.tenant.id,
      [
        RegistryStatements.connectionShow(id, .text(userID)),
        RegistryStatements.connectionChangeList(id, .text(userID), limit),
        RegistryStatements.authEventNaming(id, .text(userID), limit),
        RegistryStatements.correctionList(id, .text(userID), limit),
        RegistryStatements.authSessionNaming(id, .text(userID), limit),
      ])
    guard results.count == 5, let row = results[0].rows.first else { throw RegistryError.notFound("connection") }
    let sessionIDs = try results[4].rows.map { try $0.decode("session_id", as: UUID.self) }
    let grace = PostgresParameter.double(timing.grace(of: entry.tenant))
    let sessions = try await database.run(
      entry.tenant.id,
      sessionIDs.map {
        RegistryStatements.authSessionList(id, grace, .uuid($0), .null, .null, .null, .int(1))
      })
    return ConnectionDetail(
      connection: try Connection(row: row), changes: try results[1].rows.map(ConnectionChange.init(row:)),
      events: try results[2].rows.map(AuthEvent.init(row:)),
      sessions: try sessions.flatMap { try $0.rows.map(AuthSession.init(row:)) },
      corrections: try results[3].rows.map(Correction.init(row:)))
  }
}
