import Foundation
import Logging
import Metrics
import RegistryPostgres
import RegistrySQL

/// A change with its place.
struct PlacedChange: Sendable {
  var place: ChangePosition
  var change: Change
}

/// What one look into the feed gave.
struct ChangeBatch: Sendable {
  var changes: [PlacedChange]
  /// Where to continue.
  var next: ChangePosition
  /// Since when the oldest change is held back by transactions that still write; nil when none is.
  var heldSince: Date?

  /// How long that is, in seconds.
  var heldSeconds: Double { heldSince.map { max(0, -$0.timeIntervalSinceNow) } ?? 0 }
}

extension Changes {
  /// The place that a start means.
  func position(of tenantID: UUID, _ start: ChangeStart) async throws -> ChangePosition {
    switch start {
    case .beginning: return .beginning
    case .after(let cursor): return try ChangePosition(cursor: cursor, tenantID: tenantID, keyRing: keyRing)
    case .now:
      let last = try await database.run(tenantID, RegistryStatements.changeLast(.uuid(tenantID)))
      return try last.rows.first.map(ChangePosition.init(row:)) ?? .beginning
    }
  }

  /// Looks into the feed once.
  func read(_ tenantID: UUID, after place: ChangePosition, limit: Int) async throws -> ChangeBatch {
    guard (1...Self.maximumLimit).contains(limit) else {
      throw RegistryError.invalid("limit", "a page has 1 to \(Self.maximumLimit) changes")
    }
    let id = PostgresParameter.uuid(tenantID)
    let list = BoundStatement(
      named: RegistryStatements.changeList, parameters: [id] + place.parameters + [.int(limit)])
    let results = try await database.run(tenantID, [list, RegistryStatements.changeHead(id)])
    guard results.count == 2, let head = results[1].rows.first else {
      throw RegistryError(.tenantUnknown, "no tenant has this slug: `registry tenant list` shows those there are")
    }
    guard try !head.decode("is_ahead", as: Bool.self) else {
      throw RegistryError(
        .schemaNotMigrated,
        "the change feed was restored into a database cluster that counts its transactions anew: "
          + "run `registry migrate apply`")
    }
    guard place.position < (try head.decode("next_position", as: Int64.self)) else {
      throw RegistryError.invalid("after", "a cursor of a later state of this database: begin again without it")
    }
    let changes = try results[0].rows.map { row in
      let place = try ChangePosition(row: row)
      return PlacedChange(
        place: place,
        change: try Change(row: row, cursor: place.cursor(tenantID: tenantID, keyRing: keyRing)))
    }
    let batch = ChangeBatch(
      changes: changes, next: changes.last?.place ?? place, heldSince: try head.decodeIfPresent("held_since"))
    Gauge(label: "registry_changes_held_seconds").record(batch.heldSeconds)
    return batch
  }

  func page(of tenantID: UUID, _ batch: ChangeBatch) throws -> ChangePage {
    ChangePage(
      items: batch.changes.map(\.change), cursor: try batch.next.cursor(tenantID: tenantID, keyRing: keyRing),
      heldSeconds: batch.heldSeconds)
  }

  func reader(_ tenantID: UUID, after place: ChangePosition, limit: Int) -> ChangeReader {
    ChangeReader(
      changes: self, tenantID: tenantID, limit: limit, place: place, subscription: waker.subscribe(tenantID))
  }

  /// Where a consumer stands, which is made where it is not known.
  func begin(_ tenantID: UUID, _ consumer: String, at start: ChangeStart) async throws -> ChangePosition {
    guard Self.isName(consumer) else {
      throw RegistryError.invalid(
        "consumer", "a name has 1 to 63 of a-z, 0-9, _, . and -, the first a letter or a digit")
    }
    let id = PostgresParameter.uuid(tenantID)
    let show = RegistryStatements.changeConsumerShow(id, .text(consumer))
    if let row = try await database.run(tenantID, show).rows.first { return try ChangePosition(row: row) }
    let first = try await position(of: tenantID, start)
    let insert = BoundStatement(
      named: RegistryStatements.changeConsumerInsert,
      parameters: [id, .text(consumer)] + first.parameters + [first.fence(tenantID)])
    let results = try await database.run(tenantID, locking: ["consumer \(consumer)"], [insert, show])
    return try results.last?.rows.first.map(ChangePosition.init(row:)) ?? first
  }

  func acknowledge(_ tenantID: UUID, _ consumer: String, _ place: ChangePosition) async throws -> Bool {
    let id = PostgresParameter.uuid(tenantID)
    let acknowledgement = BoundStatement(
      named: RegistryStatements.changeConsumerAcknowledge,
      parameters: [id, .text(consumer)] + place.parameters + [place.fence(tenantID)])
    let results = try await database.run(
      tenantID, locking: ["consumer \(consumer)"],
      [acknowledgement, RegistryStatements.changeConsumerShow(id, .text(consumer))])
    guard results.count == 2, results[1].count > 0 else { throw RegistryError.notFound("consumer") }
    return results[0].affectedRows > 0
  }

  /// As the table's own check has it.
  private static func isName(_ name: String) -> Bool {
    func isPlain(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
    return (1...63).contains(name.utf8.count) && name.utf8.first.map(isPlain) == true
      && name.utf8.allSatisfy { isPlain($0) || "_.-".utf8.contains($0) }
  }
}
