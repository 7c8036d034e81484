public import Foundation

/// Where the sandbox takes the time from and how it waits, so that a test can do both at its own pace.
public protocol SandboxClock: Sendable {
  /// The present moment.
  func now() -> Date

  /// Waits for some time.
  ///
  /// - Parameter seconds: how long, in seconds; zero or less returns at once.
  /// - Throws: `CancellationError` when the task is cancelled while it waits.
  func wait(seconds: Double) async throws

  /// Is told each time the sandbox has finished something or waits for something else of its own, so that whoever moves a
  /// clock by hand knows when nothing more happens at the present moment.
  func noteProgress()
}

extension SandboxClock {
  /// Does nothing.
  public func noteProgress() {}
}

/// The clock on the wall: real time and real waiting.
public struct WallClock: SandboxClock {
  /// Creates the clock.
  public init() {}

  /// The system's time.
  public func now() -> Date { Date() }

  /// Sleeps without holding a thread.
  ///
  /// - Parameter seconds: how long, in seconds.
  /// - Throws: `CancellationError` when the task is cancelled.
  public func wait(seconds: Double) async throws {
    guard seconds > 0 else { return try Task.checkCancellation() }
    try await Task.sleep(for: .microseconds(Int64(seconds * 1_000_000)))
  }
}
