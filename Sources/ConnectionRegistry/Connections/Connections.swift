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
    let cursors = directory.cursors("connections", of: id, filter: filter.texts)
    let cursor = try cursors.position(of: page)
    let statement = listing(filter, of: id, after: cursor, limit: page.limit + 1)
    let rows = try await database.run(id, statement).rows.map(Connection.init(row:))
    return Listed(rows, limit: page.limit, cursors) { Cursor(at: $0.createdAt, id: $0.userID) }
  }

  /// What reads the connections that a filter asks for, oldest first.
  ///
  /// - Parameters:
  ///   - filter: which connections.
  ///   - tenantID: whose they are.
  ///   - cursor: behind which one to begin; nil begins at the start.
  ///   - limit: how many at most; nil is all.
  /// - Returns: the statement.
  func listing(
    _ filter: ConnectionFilter, of tenantID: UUID, after cursor: Cursor?, limit: Int?
  ) -> BoundStatement {
    let statement = RegistryStatements.connectionList(
      .uuid(tenantID), .text(filter.resource?.uppercased()), .textArray(filter.statusTexts), .timestamp(cursor?.at),
      .text(cursor?.id), .int(limit), .timestamp(filter.created.since), .timestamp(filter.created.until),
      .timestamp(filter.updated.since), .timestamp(filter.updated.until), .timestamp(filter.staleSince))
    if let tag = filter.tag {
      return BoundStatement(
        named: RegistryStatements.connectionListOfTag,
        parameters: statement.parameters + [.text(tag.key), .text(tag.value), .text(filter.referenceID)])
    }
    guard let person = filter.referenceID else { return statement }
    return BoundStatement(
      named: RegistryStatements.connectionListOfPerson, parameters: statement.parameters + [.text(person)])
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

  /// Shows one connection, without its story.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - userID: Terra's id of the connection.
  /// - Returns: the connection with its tags.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func find(tenant: String, _ userID: String) async throws -> Connection {
    let id = try await directory.require(tenant).tenant.id
    guard let row = try await database.run(id, RegistryStatements.connectionShow(.uuid(id), .text(userID))).rows.first
    else { throw RegistryError.notFound("connection") }
    return try Connection(row: row)
  }

  /// Changes what the team notes about a connection.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - userID: Terra's id of the connection.
  ///   - changes: by key the value to set; nil takes the tag away. Tags that are not named stay.
  ///   - expected: the connection as the caller read it; nil changes it whatever it is.
  /// - Returns: the connection with its tags.
  /// - Throws: `tenant_unknown`, `not_found`, `invalid_request`, `precondition_failed` where it is not as expected,
  ///   `database_unavailable`.
  public func tag(
    tenant: String, _ userID: String, _ changes: [String: String?], expected: (@Sendable (Connection) -> Bool)? = nil
  ) async throws -> Connection {
    let id = try await directory.require(tenant).tenant.id
    let before = try await find(tenant: tenant, userID)
    let changed = RegistryError(.preconditionFailed, "the connection has changed since it was read: read it again")
    if let expected, !expected(before) { throw changed }
    let changes = try TagChanges(changes, of: before.tags)
    guard !changes.isEmpty else { return before }
    let results = try await database.run(
      id, locking: [userID],
      changes.statements(tenantID: id, .connection, userID, expected: expected == nil ? nil : before.tags)
        + [RegistryStatements.connectionShow(.uuid(id), .text(userID))])
    guard results[1].affectedRows > 0 else { throw changed }
    guard let row = results.last?.rows.first else { throw RegistryError.notFound("connection") }
    return try Connection(row: row)
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
      sessionIDs.map { AuthSessions.one(id, grace: grace, $0) })
    return ConnectionDetail(
      connection: try Connection(row: row), changes: try results[1].rows.map(ConnectionChange.init(row:)),
      events: try results[2].rows.map(AuthEvent.init(row:)),
      sessions: try sessions.flatMap { try $0.rows.map(AuthSession.init(row:)) },
      corrections: try results[3].rows.map(Correction.init(row:)))
  }
}
