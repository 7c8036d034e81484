import DequeModule
import NIOConcurrencyHelpers

/// A few threads for the calls of libpq that block: name resolution inside connecting, and PQcancel.
///
/// Threads start on demand and end when there is nothing to do. The queue needs no limit of its own: each connection
/// has one job here at most.
final class BlockingThreads: Sendable {
  /// Shared by all pools of the process.
  static let shared = BlockingThreads(maximumThreads: 4)

  private struct State {
    var jobs: Deque<@Sendable () -> Void> = []
    var threads = 0
  }

  private let maximumThreads: Int
  private let state = NIOLockedValueBox(State())

  init(maximumThreads: Int) {
    self.maximumThreads = maximumThreads
  }

  /// Runs a blocking call, giving up at the deadline: the call itself goes on and its late value is disposed of.
  /// - Parameters:
  ///   - deadline: when the caller stops waiting.
  ///   - reactor: rings at the deadline.
  ///   - observingCancellation: whether the task's cancellation ends the wait as well.
  ///   - body: the blocking call.
  ///   - dispose: frees a value that came too late; runs on the thread of the call.
  /// - Returns: the value, or `nil` after the deadline or the cancellation.
  func run<Value: Sendable>(
    until deadline: ContinuousClock.Instant, reactor: Reactor, observingCancellation: Bool,
    _ body: @escaping @Sendable () -> Value, dispose: @escaping @Sendable (Value) -> Void
  ) async -> Value? {
    let box = NIOLockedValueBox<CheckedContinuation<Value?, Never>?>(nil)
    let take: @Sendable () -> CheckedContinuation<Value?, Never>? = {
      box.withLockedValue { continuation in
        defer { continuation = nil }
        return continuation
      }
    }
    let alarm = reactor.makeAlarm { take()?.resume(returning: nil) }
    defer { alarm.close() }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        box.withLockedValue { $0 = continuation }
        alarm.set(deadline)
        submit {
          let value = body()
          if let continuation = take() {
            continuation.resume(returning: value)
          } else {
            dispose(value)
          }
        }
        // The handler may have run before the continuation was there to be found.
        if observingCancellation, Task.isCancelled { take()?.resume(returning: nil) }
      }
    } onCancel: {
      if observingCancellation { take()?.resume(returning: nil) }
    }
  }

  private func submit(_ job: @escaping @Sendable () -> Void) {
    let mustStart = state.withLockedValue { state in
      state.jobs.append(job)
      guard state.threads < maximumThreads else { return false }
      state.threads += 1
      return true
    }
    guard mustStart, !SystemThread.start({ self.work() }) else { return }
    // Without a new thread the running ones take the job; without any, the deadline answers the caller.
    state.withLockedValue { $0.threads -= 1 }
  }

  private func work() {
    while true {
      let job = state.withLockedValue { state -> (@Sendable () -> Void)? in
        if let job = state.jobs.popFirst() { return job }
        state.threads -= 1
        return nil
      }
      guard let job else { return }
      job()
    }
  }
}
