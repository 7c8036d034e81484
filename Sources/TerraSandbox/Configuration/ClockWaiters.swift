package import Foundation
import NIOConcurrencyHelpers

/// Who waits at a clock that is set, and not waited for.
package final class ClockWaiters<Reading: Sendable>: Sendable {
  private struct State {
    var reading: Reading
    var nextID: UInt64 = 0
    var waiting: [UInt64: (until: Date, continuation: CheckedContinuation<Void, Never>)] = [:]
  }

  private let state: NIOLockedValueBox<State>
  private let moment: @Sendable (Reading) -> Date

  /// Makes a clock at which nobody waits.
  ///
  /// - Parameters:
  ///   - reading: what the clock is set to.
  ///   - moment: the moment that a reading stands for.
  package init(_ reading: Reading, moment: @escaping @Sendable (Reading) -> Date) {
    state = NIOLockedValueBox(State(reading: reading))
    self.moment = moment
  }

  /// What the clock is set to.
  package var reading: Reading { state.withLockedValue { $0.reading } }

  /// How many wait.
  package var count: Int { state.withLockedValue { $0.waiting.count } }

  /// When the first of those who wait is due; nil where nobody waits.
  package var nextDeadline: Date? { state.withLockedValue { $0.waiting.values.map(\.until).min() } }

  /// Sets the clock and wakes those whose time has come, in the order of their deadlines.
  ///
  /// - Parameter change: sets the reading.
  package func set(_ change: (inout Reading) -> Void) {
    let woken = state.withLockedValue { state -> [CheckedContinuation<Void, Never>] in
      change(&state.reading)
      let now = moment(state.reading)
      let due = state.waiting.filter { $0.value.until <= now }
      for id in due.keys { state.waiting[id] = nil }
      return due.sorted { ($0.value.until, $0.key) < ($1.value.until, $1.key) }.map(\.value.continuation)
    }
    for continuation in woken { continuation.resume() }
  }

  /// Waits until the clock was set so far.
  ///
  /// - Parameters:
  ///   - seconds: how far, in seconds; zero or less returns at once.
  ///   - isWaiting: called once it is waited.
  /// - Throws: `CancellationError` when the task is cancelled.
  package func wait(seconds: Double, isWaiting: () -> Void = {}) async throws {
    try Task.checkCancellation()
    guard seconds > 0 else { return }
    let id = state.withLockedValue { state in
      state.nextID += 1
      return state.nextID
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = state.withLockedValue { state in
          if Task.isCancelled { return true }
          state.waiting[id] = (moment(state.reading).addingTimeInterval(seconds), continuation)
          return false
        }
        if isOver { continuation.resume() }
        isWaiting()
      }
    } onCancel: {
      let waiting = state.withLockedValue { $0.waiting.removeValue(forKey: id) }
      waiting?.continuation.resume()
    }
    try Task.checkCancellation()
  }
}
