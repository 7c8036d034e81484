import Foundation
import Logging
import Metrics
import RegistryModel
import RegistryPostgres
import RegistrySQL

/// The change feed: every transition of every connection of a tenant, in an order in which none is overlooked.
///
/// Changes of one connection come in the order of their ``Change/sequence``. A change appears once every transaction that
/// could write one before it has ended, so a reader that continues behind what it has read misses nothing, whatever order
/// transactions commit in. A transaction that writes for long, anywhere in the database cluster, therefore holds the feed
/// up; ``ChangePage/heldSeconds`` says so.
public struct Changes: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory
  let keyRing: MasterKeyRing
  let waker: ChangeWaker
  let logger: Logger

  /// The most changes of one page.
  public static let maximumLimit = 1_000
  /// The longest time for which ``wait(tenant:after:limit:for:)`` waits.
  public static let maximumWait: Duration = .seconds(60)
  /// Up to how many waiting changes are counted for a consumer.
  public static let countedWaiting = 10_000

  /// Reads a part of the feed, without waiting.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - start: where to begin.
  ///   - limit: how many changes at most, 1 to ``maximumLimit``.
  /// - Returns: the changes that can be taken now, possibly none.
  /// - Throws: `tenant_unknown`, `invalid_request` for a limit or a cursor that is not of this tenant's feed,
  ///   `schema_not_migrated` where the database was restored into a cluster without `registry migrate apply`,
  ///   `database_unavailable`.
  public func page(tenant: String, after start: ChangeStart = .beginning, limit: Int = 100) async throws -> ChangePage {
    let id = try await directory.require(tenant).tenant.id
    return try page(of: id, try await read(id, after: try await position(of: id, start), limit: limit))
  }

  /// Reads a part of the feed and waits for a change where there is none (a long poll).
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - start: where to begin.
  ///   - limit: how many changes at most, 1 to ``maximumLimit``.
  ///   - time: how long to wait, up to ``maximumWait``; a longer time counts as that.
  /// - Returns: the changes; none when the time is over or the registry shuts down.
  /// - Throws: as ``page(tenant:after:limit:)``; `CancellationError` when the task is cancelled.
  public func wait(
    tenant: String, after start: ChangeStart = .beginning, limit: Int = 100, for time: Duration
  ) async throws -> ChangePage {
    let id = try await directory.require(tenant).tenant.id
    var reader = reader(id, after: try await position(of: id, start), limit: limit)
    return try page(of: id, try await reader.next(until: .now + min(time, Self.maximumWait)))
  }

  /// Follows the feed for a consumer whose place the registry keeps: at least once, in order per connection.
  ///
  /// ```swift
  /// for try await change in registry.changes(tenant: "acme", consumer: "profiles") {
  ///   try await profiles.update(change.userID, to: change.toStatus)
  ///   try await change.acknowledge()
  /// }
  /// ```
  ///
  /// What is not acknowledged comes again when the consumer is followed the next time. One process at a time should follow
  /// a consumer; several get the same changes. Pages are read when they are asked for, so a slow reader holds nobody up.
  /// An outage of the database is waited for.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - consumer: a name of the team's choice: 1 to 63 of `a-z`, `0-9`, `_`, `.`, `-`, the first a letter or digit.
  ///   - start: where a consumer begins that was never followed before.
  /// - Returns: the changes; the sequence ends when the registry shuts down. It throws `tenant_unknown`,
  ///   `invalid_request` for a name or a start that cannot be one, `schema_not_migrated`, and `CancellationError`.
  public func callAsFunction(
    tenant: String, consumer: String, startingAt start: ChangeStart = .beginning
  ) -> ChangeSequence {
    ChangeSequence(changes: self, tenant: tenant, consumer: consumer, start: start)
  }

  /// Follows the feed without keeping a place.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - start: where to begin.
  /// - Returns: the changes, as ``callAsFunction(tenant:consumer:startingAt:)``; to acknowledge one does nothing.
  public func follow(tenant: String, after start: ChangeStart) -> ChangeSequence {
    ChangeSequence(changes: self, tenant: tenant, consumer: nil, start: start)
  }

  /// Acknowledges everything up to a change.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - consumer: the consumer's name.
  ///   - cursor: the change's ``Change/cursor``.
  /// - Returns: whether the consumer went forward; false where it was there or further already.
  /// - Throws: `tenant_unknown`, `not_found` for a consumer that never read, `invalid_request` for a cursor that is not of
  ///   this tenant's feed, `database_unavailable`.
  @discardableResult
  public func acknowledge(tenant: String, consumer: String, cursor: String) async throws -> Bool {
    let id = try await directory.require(tenant).tenant.id
    return try await acknowledge(
      id, consumer, ChangePosition(cursor: cursor, tenantID: id, keyRing: keyRing))
  }

  /// Lists the tenant's consumers with what waits for each.
  ///
  /// - Parameter tenant: the tenant's slug.
  /// - Returns: the consumers by name.
  /// - Throws: `tenant_unknown`, `database_unavailable`.
  public func consumers(tenant: String) async throws -> [ChangeConsumer] {
    let id = try await directory.require(tenant).tenant.id
    return try await database.run(
      id, RegistryStatements.changeConsumerList(.uuid(id), .int(Self.countedWaiting))
    ).rows.map(ChangeConsumer.init(row:))
  }

  /// Forgets a consumer and its place.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - consumer: its name.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func removeConsumer(tenant: String, _ consumer: String) async throws {
    let id = try await directory.require(tenant).tenant.id
    let result = try await database.run(
      id, locking: ["consumer \(consumer)"], RegistryStatements.changeConsumerDelete(.uuid(id), .text(consumer)))
    guard result.affectedRows > 0 else { throw RegistryError.notFound("consumer") }
  }
}
