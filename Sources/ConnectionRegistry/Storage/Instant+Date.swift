import Foundation
import RegistryModel

extension Instant {
  /// The moment of a date, to the microsecond, as PostgreSQL keeps it.
  ///
  /// - Parameter date: a moment within some 200,000 years of 1970; what lies further away is clamped.
  init(_ date: Date) {
    let microseconds = (date.timeIntervalSince1970 * 1_000_000).rounded()
    self.init(microseconds: Int64(exactly: microseconds) ?? (microseconds < 0 ? .min : .max))
  }
}
