import Foundation
import NIOConcurrencyHelpers

/// Keeps a flood of wrong signatures from becoming a flood of writes.
///
/// Within the day's limit each rejected delivery is written. Beyond it they are counted here and written as sums, one
/// every hundred, so the database sees a hundredth of the flood.
final class RejectionLimit: Sendable {
  /// How many rejected deliveries of a tenant are kept per day (UTC).
  static let perDay = 1_000
  static let sumOf = 100

  private struct Count {
    var day: Int
    var admitted = 0
    var waiting = 0
  }

  private let counts = NIOLockedValueBox<[UUID: Count]>([:])

  /// How many deliveries to write now; nil for none.
  func admit(tenantID: UUID, at now: Date) -> Int? {
    let day = Int(now.timeIntervalSince1970 / 86_400)
    return counts.withLockedValue { all in
      var count = all[tenantID] ?? Count(day: day)
      if count.day != day { count = Count(day: day) }
      defer { all[tenantID] = count }
      guard count.admitted >= Self.perDay else {
        count.admitted += 1
        defer { count.waiting = 0 }
        return count.waiting + 1
      }
      count.waiting += 1
      guard count.waiting >= Self.sumOf else { return nil }
      defer { count.waiting = 0 }
      return count.waiting
    }
  }

  /// Counts what was admitted and could not be written with the tenant's next.
  func putBack(_ count: Int, tenantID: UUID) {
    counts.withLockedValue { $0[tenantID]?.waiting += count }
  }
}
