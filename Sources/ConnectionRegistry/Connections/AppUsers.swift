import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL

/// The app users of a tenant.
public struct AppUsers: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory
  let timing: Timing

  /// Lists app users, in the order in which they were first named.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - tag: with this tag only.
  ///   - created: first named in this span only.
  ///   - page: which part.
  /// - Returns: a page of app users, those that were merged into others too.
  /// - Throws: `tenant_unknown`, `invalid_request` for a bad page, `database_unavailable`.
  public func list(
    tenant: String, tag: Tag? = nil, created: TimeRange = TimeRange(), page: Page = Page()
  ) async throws -> Listed<AppUser> {
    let id = try await directory.require(tenant).tenant.id
    let cursors = directory.cursors("app_users", of: id, filter: [tag?.key, tag?.value] + created.texts)
    let cursor = try cursors.position(of: page)
    let rows = try await database.run(
      id,
      RegistryStatements.appUserList(
        .uuid(id), .timestamp(cursor?.at), .text(cursor?.id), .text(tag?.key), .text(tag?.value), .int(page.limit + 1),
        .timestamp(created.since), .timestamp(created.until))
    ).rows.map(AppUser.init(row:))
    return Listed(rows, limit: page.limit, cursors) { Cursor(at: $0.createdAt, id: $0.referenceID) }
  }

  /// Shows one app user, without its connections.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - referenceID: the app user's id at the team.
  /// - Returns: the app user with its tags.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func find(tenant: String, _ referenceID: String) async throws -> AppUser {
    let id = try await directory.require(tenant).tenant.id
    guard (try? ReferenceID(referenceID)) != nil,
      let row = try await database.run(id, RegistryStatements.appUserShow(.uuid(id), .text(referenceID))).rows.first
    else { throw RegistryError.notFound("app user") }
    return try AppUser(row: row)
  }

  /// Shows one app user with all its connections and its sessions.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - referenceID: the app user's id at the team.
  /// - Returns: the app user; connections in every state. One that was merged into another has none.
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
          id, .null, .textArray(ConnectionStatus.allCases.map(\.rawValue)), .null, .null, limit, .null, .null, .null,
          .null, .null, .text(referenceID)),
        RegistryStatements.authSessionList(
          id, .double(timing.grace(of: entry.tenant)), .null, .text(referenceID), .null, .null, limit, .null, .null,
          .null, .null),
      ])
    guard results.count == 3, let row = results[0].rows.first else { throw RegistryError.notFound("app user") }
    let person = try AppUser(row: row)
    return AppUserDetail(
      referenceID: person.referenceID, createdAt: person.createdAt, mergedInto: person.mergedInto, tags: person.tags,
      connections: try results[1].rows.map(Connection.init(row:)),
      sessions: try results[2].rows.map(AuthSession.init(row:)))
  }

  /// Changes what the team notes about an app user.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - referenceID: the app user's id at the team.
  ///   - changes: by key the value to set; nil takes the tag away. Tags that are not named stay.
  ///   - expected: whether the app user is as the caller read it; nil changes it whatever it is.
  /// - Returns: the app user with its tags.
  /// - Throws: `tenant_unknown`, `not_found`, `invalid_request`, `precondition_failed` where it is not as expected,
  ///   `database_unavailable`.
  public func tag(
    tenant: String, _ referenceID: String, _ changes: [String: String?], expected: (@Sendable (AppUser) -> Bool)? = nil
  ) async throws -> AppUser {
    let id = try await directory.require(tenant).tenant.id
    let before = try await find(tenant: tenant, referenceID)
    let changed = RegistryError(.preconditionFailed, "the app user has changed since it was read: read it again")
    if let expected, !expected(before) { throw changed }
    let changes = try TagChanges(changes, of: before.tags)
    guard !changes.isEmpty else { return before }
    let results = try await database.run(
      id, locking: [referenceID],
      changes.statements(tenantID: id, .appUser, referenceID, expected: expected == nil ? nil : before.tags)
        + [RegistryStatements.appUserShow(.uuid(id), .text(referenceID))])
    guard results[1].affectedRows > 0 else { throw changed }
    guard let row = results.last?.rows.first else { throw RegistryError.notFound("app user") }
    return try AppUser(row: row)
  }
}
