import NIOConcurrencyHelpers

/// Ends a wait before its time: each ring that of one task, whoever waits longest. Rung before anybody waits, it ends the
/// next wait.
final class ScheduleWake: Sendable {
  private struct State {
    var isRung = false
    var last = 0
    var waiting: [(number: Int, continuation: CheckedContinuation<Void, Never>)] = []
  }

  private let state = NIOLockedValueBox(State())

  /// Ends a wait, or the next one.
  func ring() {
    let first = state.withLockedValue { state in
      guard !state.waiting.isEmpty else {
        state.isRung = true
        return nil as CheckedContinuation<Void, Never>?
      }
      return state.waiting.removeFirst().continuation
    }
    first?.resume()
  }

  /// Waits until it is rung, or the task is cancelled.
  func wait() async {
    let number = state.withLockedValue { state in
      state.last += 1
      return state.last
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let goesOn = state.withLockedValue { state in
          if Task.isCancelled { return true }
          if state.isRung {
            state.isRung = false
            return true
          }
          state.waiting.append((number, continuation))
          return false
        }
        if goesOn { continuation.resume() }
      }
    } onCancel: {
      let own = state.withLockedValue { state in
        state.waiting.firstIndex { $0.number == number }.map { state.waiting.remove(at: $0).continuation }
      }
      own?.resume()
    }
  }
}
