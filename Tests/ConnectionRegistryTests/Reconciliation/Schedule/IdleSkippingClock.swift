@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers

/// Time that passes as it does while somebody works, and is skipped while everybody sleeps.
final class IdleSkippingClock: Sendable {
  private struct Sleeper {
    var wake: Duration
    var continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var skipped: Duration = .zero
    var sleepers: [Int: Sleeper] = [:]
    var next = 0
    var isOver = false
    var waiting: CheckedContinuation<Void, Never>?
  }

  private let state = NIOLockedValueBox(State())
  private let start = ContinuousClock.now
  private let base = Date()
  private let participants: Int
  private let end: Duration

  /// - Parameters:
  ///   - participants: how many sleep at once when nothing is left to do.
  ///   - end: how long it goes.
  init(participants: Int, end: Duration) {
    self.participants = participants
    self.end = end
  }

  /// The clock as the schedule takes it.
  var schedule: ScheduleClock {
    ScheduleClock(
      now: { self.base.addingTimeInterval(self.elapsed().inSeconds) }, elapsed: { ContinuousClock.now - self.start },
      sleep: { try await self.sleep($0) }, spread: { 0 })
  }

  /// The time since the start; whoever has slept long enough wakes.
  func elapsed() -> Duration {
    let (now, woken) = state.withLockedValue { state -> (Duration, [Sleeper]) in
      let now = ContinuousClock.now - start + state.skipped
      return (now, Self.wake(&state, at: now))
    }
    for sleeper in woken { sleeper.continuation.resume() }
    return now
  }

  /// Waits until everybody sleeps and nobody would wake before the end.
  func untilEnd() async {
    await withCheckedContinuation { continuation in
      let isOver = state.withLockedValue { state in
        if !state.isOver { state.waiting = continuation }
        return state.isOver
      }
      if isOver { continuation.resume() }
    }
  }

  private func sleep(_ duration: Duration) async throws {
    let id = state.withLockedValue { state in
      state.next += 1
      return state.next
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let (woken, waiting) = state.withLockedValue { state -> ([Sleeper], CheckedContinuation<Void, Never>?) in
          let now = ContinuousClock.now - start + state.skipped
          state.sleepers[id] = Sleeper(wake: now + duration, continuation: continuation)
          guard state.sleepers.count == participants, let first = state.sleepers.values.map(\.wake).min() else {
            return ([], nil)
          }
          if first > end {
            state.isOver = true
            defer { state.waiting = nil }
            return ([], state.waiting)
          }
          state.skipped += max(first - now, .zero)
          return (Self.wake(&state, at: max(first, now)), nil)
        }
        for sleeper in woken { sleeper.continuation.resume() }
        waiting?.resume()
        if Task.isCancelled { cancel(id) }
      }
    } onCancel: {
      cancel(id)
    }
  }

  private func cancel(_ id: Int) {
    state.withLockedValue { $0.sleepers.removeValue(forKey: id) }?.continuation.resume(throwing: CancellationError())
  }

  private static func wake(_ state: inout State, at now: Duration) -> [Sleeper] {
    let due = state.sleepers.filter { $0.value.wake <= now }
    for id in due.keys { state.sleepers[id] = nil }
    return Array(due.values)
  }
}
