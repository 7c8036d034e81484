public import Foundation
import RegistryPostgres
import RegistrySQL

/// What was and is to be told to the tenant's endpoints.
public struct Deliveries: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory
  let settings: DeliveryConfiguration

  /// How many changes one step of a replay makes due.
  static let replaySlice = 1_000

  /// Lists deliveries, oldest first.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - filter: which deliveries.
  ///   - page: which part.
  /// - Returns: a page of deliveries, without their bodies.
  /// - Throws: `tenant_unknown`, `invalid_request` for a bad page, `database_unavailable`.
  public func list(
    tenant: String, filter: DeliveryFilter = DeliveryFilter(), page: Page = Page()
  ) async throws -> Listed<Delivery> {
    let id = try await directory.require(tenant).tenant.id
    let cursors = directory.cursors(
      "deliveries", of: id,
      filter: [filter.endpointID?.text, filter.state?.rawValue, filter.userID] + filter.created.texts)
    let cursor = try cursors.position(of: page)
    let rows = try await database.run(
      id,
      RegistryStatements.deliveryList(
        .uuid(id), .uuid(filter.endpointID), .text(filter.state?.rawValue), .text(filter.userID),
        .timestamp(cursor?.at), .uuid(try cursor?.uuid), .int(page.limit + 1), .timestamp(filter.created.since),
        .timestamp(filter.created.until))
    ).rows.map(Delivery.init(row:))
    return Listed(rows, limit: page.limit, cursors) { Cursor(at: $0.createdAt, id: $0.deliveryID.text) }
  }

  /// Shows one delivery with its body.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - deliveryID: its id, the `webhook-id` that the receiver saw.
  /// - Returns: the delivery and its body.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func show(tenant: String, _ deliveryID: UUID) async throws -> DeliveryDetail {
    let id = try await directory.require(tenant).tenant.id
    let found = try await database.run(id, RegistryStatements.deliveryShow(.uuid(id), .uuid(deliveryID)))
    guard let row = found.rows.first else { throw RegistryError.notFound("delivery") }
    return DeliveryDetail(delivery: try Delivery(row: row), body: try row.decode("body"))
  }

  /// Makes one delivery due at once, whatever became of it so far. It keeps its id and its body.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - deliveryID: its id.
  /// - Returns: the delivery, pending.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func retry(tenant: String, _ deliveryID: UUID) async throws -> Delivery {
    let id = try await directory.require(tenant).tenant.id
    let results = try await database.run(
      id, locking: [deliveryID.text],
      [
        RegistryStatements.deliveryRetry(.uuid(id), .uuid(deliveryID), .timestamp(settings.clock())),
        RegistryStatements.deliveryShow(.uuid(id), .uuid(deliveryID)),
        RegistryStatements.deliveryWake(),
      ])
    guard let row = results[1].rows.first else { throw RegistryError.notFound("delivery") }
    return try Delivery(row: row)
  }

  /// Sends a range of changes to an endpoint, in order, those it had before and those from before it was added.
  ///
  /// A delivery that is still stored goes out with its id and its body; one that was cleaned away or never made is made of
  /// the change, with the same id and with the connection as it is now.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - endpointID: the endpoint.
  ///   - range: which changes; all that are recorded where it says nothing.
  /// - Returns: how many changes go out.
  /// - Throws: `tenant_unknown`, `not_found`; `invalid_request` for numbers without a connection or a range that ends
  ///   before it begins; `database_unavailable`, after which some of the range goes out.
  public func replay(
    tenant: String, endpoint endpointID: UUID, _ range: DeliveryReplay
  ) async throws -> DeliveryReplayed {
    if range.userID == nil, range.fromSequence != nil || range.toSequence != nil {
      throw RegistryError.invalid("user_id", "sequence numbers count within one connection: name it")
    }
    if let since = range.since, let until = range.until, until <= since {
      throw RegistryError.invalid("until", "the range ends before it begins")
    }
    if let from = range.fromSequence, let to = range.toSequence, to < from {
      throw RegistryError.invalid("to_sequence", "the range ends before it begins")
    }
    let id = try await directory.require(tenant).tenant.id
    let endpoint = try await database.run(
      id, RegistryStatements.endpointList(.uuid(id), .uuid(endpointID), .null, .null, .int(1)))
    guard !endpoint.rows.isEmpty else { throw RegistryError.notFound("endpoint") }
    var replayed = DeliveryReplayed(changes: 0)
    var last: (at: PostgresParameter, userID: PostgresParameter, sequence: PostgresParameter) = (.null, .null, .null)
    while true {
      let slice = try await database.run(
        id,
        RegistryStatements.deliveryReplayFind(
          .uuid(id), .uuid(endpointID), .timestamp(range.since), .timestamp(range.until), .text(range.userID),
          .int(range.fromSequence), .int(range.toSequence), last.at, last.userID, last.sequence,
          .int(Self.replaySlice)))
      let users = try slice.rows.map { try $0.decode("user_id", as: String.self) }
      let sequences = try slice.rows.map { try $0.decode("sequence", as: Int64.self) }
      guard let end = slice.rows.last, let user = users.last, let sequence = sequences.last else { return replayed }
      _ = try await database.run(
        id, locking: [endpointID.text],
        [
          RegistryStatements.deliveryReplay(
            .uuid(id), .uuid(endpointID), .textArray(users), .intArray(sequences), .timestamp(settings.clock())),
          RegistryStatements.deliveryWake(),
        ])
      replayed.changes += users.count
      guard users.count == Self.replaySlice else { return replayed }
      last = (.timestamp(try end.decode("recorded_at", as: Date.self)), .text(user), .int(sequence))
    }
  }
}
