public import Foundation
import RegistryPostgres
import RegistrySQL

/// The auth events of a tenant.
public struct AuthEvents: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory

  /// Lists events in the order in which they were recorded.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - userID: about this connection only.
  ///   - kind: of this kind only, such as `auth_success`.
  ///   - filter: what else they must be.
  ///   - page: which part.
  /// - Returns: a page of events.
  /// - Throws: `tenant_unknown`, `invalid_request` for a bad page, `database_unavailable`.
  public func list(
    tenant: String, userID: String? = nil, kind: String? = nil, filter: AuthEventFilter = AuthEventFilter(),
    page: Page = Page()
  ) async throws -> Listed<AuthEvent> {
    let id = try await directory.require(tenant).tenant.id
    let cursors = directory.cursors(
      "events", of: id, filter: [userID, kind, filter.referenceID, filter.resource] + filter.recorded.texts)
    let cursor = try cursors.position(of: page)
    let rows = try await database.run(
      id,
      RegistryStatements.authEventList(
        .uuid(id), .null, .text(userID), .text(kind), .timestamp(cursor?.at), .uuid(try cursor?.uuid),
        .int(page.limit + 1), .text(filter.referenceID), .text(filter.resource?.uppercased()),
        .timestamp(filter.recorded.since), .timestamp(filter.recorded.until))
    ).rows.map(AuthEvent.init(row:))
    return Listed(rows, limit: page.limit, cursors) { Cursor(at: $0.recordedAt, id: $0.eventID.text) }
  }

  /// Shows one event with its body.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - eventID: its id.
  /// - Returns: the event and the body as it was signed.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func show(tenant: String, _ eventID: UUID) async throws -> AuthEventDetail {
    let id = try await directory.require(tenant).tenant.id
    let results = try await database.run(
      id,
      [
        Self.one(.uuid(id), eventID),
        RegistryStatements.authEventBody(.uuid(id), .uuid(eventID)),
      ])
    guard results.count == 2, let row = results[0].rows.first, let body = results[1].rows.first else {
      throw RegistryError.notFound("event")
    }
    return AuthEventDetail(
      event: try AuthEvent(row: row), body: String(decoding: try body.decode("body", as: [UInt8].self), as: UTF8.self))
  }

  /// The statement for one event.
  static func one(_ tenantID: PostgresParameter, _ eventID: UUID) -> BoundStatement {
    RegistryStatements.authEventList(
      tenantID, .uuid(eventID), .null, .null, .null, .null, .int(1), .null, .null, .null, .null)
  }
}

/// Which events are wanted.
public struct AuthEventFilter: Sendable, Hashable {
  /// That name this app user.
  public var referenceID: String?
  /// About this provider.
  public var resource: String?
  /// Recorded in this span.
  public var recorded: TimeRange

  /// Creates a filter.
  ///
  /// - Parameters:
  ///   - referenceID: that name this app user.
  ///   - resource: about this provider.
  ///   - recorded: recorded in this span.
  public init(referenceID: String? = nil, resource: String? = nil, recorded: TimeRange = TimeRange()) {
    self.referenceID = referenceID
    self.resource = resource
    self.recorded = recorded
  }
}
