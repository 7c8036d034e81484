public import Foundation
public import TerraSandbox

/// A clock that a test moves: whoever waits does so until the test has moved it far enough.
public final class SteppedClock: SandboxClock {
  private let waiters: ClockWaiters<Date>

  /// Makes a clock that stands still.
  ///
  /// - Parameter now: the moment at which it stands.
  public init(now: Date = Date(timeIntervalSince1970: 1_767_225_600)) { waiters = ClockWaiters(now) { $0 } }

  /// The moment at which the clock stands.
  public func now() -> Date { waiters.reading }

  /// How many wait.
  public var waitingCount: Int { waiters.count }

  /// Moves the clock and wakes those whose time has come.
  ///
  /// - Parameter seconds: how far, in seconds; not below zero.
  public func advance(seconds: Double) { waiters.set { $0.addTimeInterval(max(0, seconds)) } }

  /// Waits until the clock was moved so far.
  ///
  /// - Parameter seconds: how far, in seconds; zero or less returns at once.
  /// - Throws: `CancellationError` when the task is cancelled.
  public func wait(seconds: Double) async throws { try await waiters.wait(seconds: seconds) }
}
