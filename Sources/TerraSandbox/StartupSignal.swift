import Synchronization

/// Tells any number of tasks a value that becomes known once.
final class StartupSignal<Value: Sendable>: Sendable {
  private struct State {
    var result: Result<Value, any Error>?
    var waiters: [CheckedContinuation<Value, any Error>] = []
  }

  private let state = Mutex(State())

  /// Tells the value, or that there will be none. Only the first call counts.
  func resolve(_ result: Result<Value, any Error>) {
    let waiters = self.state.withLock { state -> [CheckedContinuation<Value, any Error>] in
      guard state.result == nil else { return [] }
      state.result = result
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume(with: result) }
  }

  /// Whether the value is known, or that there will be none.
  var isResolved: Bool { self.state.withLock { $0.result != nil } }

  /// Waits for the value.
  func value() async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      let result = self.state.withLock { state -> Result<Value, any Error>? in
        if state.result == nil { state.waiters.append(continuation) }
        return state.result
      }
      if let result { continuation.resume(with: result) }
    }
  }
}
