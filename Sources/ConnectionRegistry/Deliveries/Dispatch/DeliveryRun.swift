import Foundation
import RegistryPostgres

/// Deliveries that wait for one another: the changes of one connection, in their order.
struct DeliveryRun: Sendable {
  struct Item: Sendable {
    var deliveryID: UUID
    var body: String
    var attempts: Int
    var dueSince: Date
  }

  /// The connection's id.
  var queue: String
  var items: [Item]
  /// Whether more of them may wait behind these.
  var isCut: Bool
  /// Until when the first one that is not due yet waits, and so all behind it.
  var waitsUntil: Date?

  /// Takes runs from rows in the order of queue and number; what stands behind a row that is not due is left out.
  ///
  /// - Parameters:
  ///   - rows: rows of `delivery_next`.
  ///   - limit: how many rows of one queue were asked for.
  /// - Returns: the runs.
  /// - Throws: `PostgresError` for a row that is not what was asked for.
  static func runs(of rows: some Sequence<PostgresRow>, limit: Int) throws -> [DeliveryRun] {
    var runs: [DeliveryRun] = []
    var count = 0
    for row in rows {
      let queue: String = try row.decode("queue")
      if runs.last?.queue != queue {
        runs.append(DeliveryRun(queue: queue, items: [], isCut: false))
        count = 0
      }
      count += 1
      let last = runs.count - 1
      guard runs[last].waitsUntil == nil else { continue }
      guard try row.decode("is_due", as: Bool.self) else {
        runs[last].waitsUntil = try row.decode("next_attempt_at", as: Date.self)
        continue
      }
      runs[last].items.append(
        Item(
          deliveryID: try row.decode("delivery_id"), body: try row.decode("body"), attempts: try row.decode("attempts"),
          dueSince: try row.decode("due_since")))
      runs[last].isCut = count == limit
    }
    return runs
  }
}
