import Foundation

/// Nobody answered for so long that somebody must have been forgotten.
struct ForgottenCaller: Error, CustomStringConvertible {
  var description: String
}

/// Runs a body under a generous limit, counted by a thread of its own. The body of a caller that was forgotten never
/// ends, so it is left behind.
/// - Throws: what the body throws, or ``ForgottenCaller``.
func withWatchdog<Value: Sendable>(
  seconds: TimeInterval, _ message: @escaping @Sendable () -> String,
  _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
  let race = Race<Value>()
  return try await withCheckedThrowingContinuation { continuation in
    race.begin(continuation)
    let task = Task {
      do { race.end(.success(try await body())) } catch { race.end(.failure(error)) }
    }
    Thread.detachNewThread {
      guard !race.waitForEnd(seconds) else { return }
      task.cancel()
      race.end(.failure(ForgottenCaller(description: message())))
    }
  }
}

/// The first of two ends counts.
private final class Race<Value: Sendable>: @unchecked Sendable {
  // Guarded by the condition's lock.
  private let condition = NSCondition()
  private var continuation: CheckedContinuation<Value, any Error>?

  func begin(_ continuation: CheckedContinuation<Value, any Error>) {
    condition.withLock { self.continuation = continuation }
  }

  func end(_ result: Result<Value, any Error>) {
    let first = condition.withLock {
      defer {
        continuation = nil
        condition.broadcast()
      }
      return continuation
    }
    first?.resume(with: result)
  }

  func waitForEnd(_ seconds: TimeInterval) -> Bool {
    let limit = Date(timeIntervalSinceNow: seconds)
    return condition.withLock {
      while continuation != nil { if !condition.wait(until: limit) { return continuation == nil } }
      return true
    }
  }
}
