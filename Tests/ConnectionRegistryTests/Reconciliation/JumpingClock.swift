@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers

/// A clock of the schedule that goes where the test puts it.
final class JumpingClock: Sendable {
  private let seconds = NIOLockedValueBox(0.0)
  private let base = Date()

  func jump(_ by: Double) { seconds.withLockedValue { $0 += by } }

  /// The same comparisons by this clock, with slices of one id.
  func hold(_ reconciliations: Reconciliations) -> Reconciliations {
    var held = reconciliations
    held.clock = ScheduleClock(now: { self.base.addingTimeInterval(self.seconds.withLockedValue { $0 }) })
    held.limits.listingSlice = 1
    return held
  }
}
