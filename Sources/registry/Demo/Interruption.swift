import Dispatch
import Foundation

/// Turns SIGINT and SIGTERM into the cancellation of a task, so that what was started can be ended in order.
enum Interruption {
  /// Runs a body; a signal cancels it.
  ///
  /// - Parameter body: what to do.
  /// - Returns: what the body returns.
  /// - Throws: what the body throws.
  static func cancelling<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let task = Task { try await body() }
    let sources = [SIGINT, SIGTERM, SIGHUP].map { number in
      // A handler, not SIG_IGN: children would inherit that.
      signal(number) { _ in }
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { task.cancel() }
      source.resume()
      return source
    }
    defer {
      for source in sources { source.cancel() }
      for number in [SIGINT, SIGTERM, SIGHUP] { signal(number, SIG_DFL) }
    }
    return try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      task.cancel()
    }
  }
}
