@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
import RegistrySQL

/// Writes changes as the intake does, with its statements, but in transactions that a test holds open.
final class FeedWriter: Sendable {
  let tenantID: UUID
  private let facts = NIOLockedValueBox<Int64>(0)

  init(tenant: String) {
    tenantID = TenantID.of(slug: tenant)
  }

  /// Gives a connection a new status; the next one gives it the other.
  func change(_ userID: String, in transaction: PostgresTransaction) async throws {
    let number = facts.withLockedValue { facts in
      facts += 1
      return facts
    }
    let key = OrderKey(instant: Instant(microseconds: number), rank: .auth, factID: "\(number)")
    let join = ConnectionRegisters(of: number % 2 == 0 ? .connectionError : .auth, key: key)
      .joinStatement(tenantID: tenantID, userID: userID)
    let append = RegistryStatements.connectionChangeAppend(
      .uuid(tenantID), .text(userID), .text("correction"), .text("\(number)"), .null)
    for statement in [join, append] { _ = try await transaction.execute(statement.postgres) }
  }
}

/// What a reader has got, and how to go on.
struct FeedReading {
  /// The change and its place, in the order in which they came.
  private(set) var places: [ChangePosition] = []

  var names: [String] { places.map { "\($0.userID)/\($0.sequence)" } }

  /// Reads everything that can be taken now.
  mutating func catchUp(_ stage: Stage, limit: Int = 7) async throws {
    while true {
      let batch = try await stage.registry.changes.read(
        TenantID.of(slug: stage.slug), after: places.last ?? .beginning, limit: limit)
      guard !batch.changes.isEmpty else { return }
      places += batch.changes.map(\.place)
    }
  }

  /// Reads to the end, once the transactions of other tests have ended that hold changes back: they share the cluster.
  mutating func finish(_ stage: Stage) async throws {
    repeat {
      try await catchUp(stage)
    } while try await stage.registry.changes.read(
      TenantID.of(slug: stage.slug), after: places.last ?? .beginning, limit: 1
    ).heldSince != nil
    try await catchUp(stage)
  }

  /// Reads everything that is committed, as a reader does that knows nothing of transactions under way: by the greatest
  /// position that it has seen. It stands here to show that the tests find what it overlooks.
  mutating func catchUpBlindly(_ stage: Stage) async throws {
    let last = places.last ?? .beginning
    let rows = try await stage.owner.execute(
      """
      SELECT h.position, h.user_id, h.sequence FROM registry.connection_change h
      WHERE h.tenant_id = $1 AND (h.position, h.user_id, h.sequence) > ($2::bigint, $3::text, $4::bigint)
      ORDER BY h.position, h.user_id, h.sequence
      """, [.uuid(TenantID.of(slug: stage.slug))] + last.parameters
    ).rows
    places += try rows.map(ChangePosition.init(row:))
  }

  /// What is wrong with what was read, held against the table: changes that are missing, that came twice, or before an
  /// earlier one of their connection.
  func faults(_ stage: Stage) async throws -> [String] {
    let written = try await stage.texts(
      "SELECT user_id || '/' || sequence FROM registry.connection_change WHERE tenant_id = $1",
      [.uuid(TenantID.of(slug: stage.slug))])
    var faults = Set(written).subtracting(names).sorted().map { "\($0) is missing" }
    if Set(names).count != names.count { faults.append("some came twice") }
    for (user, of) in Dictionary(grouping: places, by: \.userID) where of.map(\.sequence) != of.map(\.sequence).sorted()
    {
      faults.append("\(user) came out of order")
    }
    return faults
  }
}

extension Stage {
  /// So many changes, which may be held back for a while by transactions of other tests.
  func changes(_ count: Int, after start: ChangeStart = .beginning, limit: Int = 100) async throws -> [Change] {
    var all: [Change] = []
    var start = start
    while all.count < count {
      let page = try await registry.changes.wait(tenant: slug, after: start, limit: limit, for: .seconds(60))
      all += page.items
      start = .after(page.cursor)
    }
    return all
  }
}
