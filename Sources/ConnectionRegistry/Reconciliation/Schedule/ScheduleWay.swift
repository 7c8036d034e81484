import NIOConcurrencyHelpers

/// The way to PostgreSQL of one process's schedule: one tenant at a time has it, in the order in which they came.
///
/// Whoever waits for somebody else than PostgreSQL leaves it to the next.
final class ScheduleWay: Sendable {
  private struct State {
    var isTaken = false
    var last = 0
    var waiting: [(number: Int, continuation: CheckedContinuation<Void, any Error>)] = []
  }

  private let state = NIOLockedValueBox(State())

  /// Takes the way, once those who came before have left it.
  ///
  /// - Throws: `CancellationError` where the task is cancelled while it waits; then the way is not taken.
  func take() async throws {
    let number = state.withLockedValue { state in
      state.last += 1
      return state.last
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let result = state.withLockedValue { state -> Result<Void, any Error>? in
          if Task.isCancelled { return .failure(CancellationError()) }
          guard state.isTaken else {
            state.isTaken = true
            return .success(())
          }
          state.waiting.append((number, continuation))
          return nil
        }
        if let result { continuation.resume(with: result) }
      }
    } onCancel: {
      let own = state.withLockedValue { state in
        state.waiting.firstIndex { $0.number == number }.map { state.waiting.remove(at: $0).continuation }
      }
      own?.resume(throwing: CancellationError())
    }
  }

  /// Leaves the way to whoever waits longest.
  func leave() {
    let next = state.withLockedValue { state in
      guard !state.waiting.isEmpty else {
        state.isTaken = false
        return nil as CheckedContinuation<Void, any Error>?
      }
      return state.waiting.removeFirst().continuation
    }
    next?.resume()
  }
}
