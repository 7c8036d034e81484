import Foundation
import TerraSandbox

/// The clock of a simulation: it runs as time does, and is set ahead instead of being waited for.
///
/// Who waits is woken by ``set(ahead:)`` alone, so that nothing happens by itself while a simulation looks around.
final class SimulationClock: SandboxClock {
  private let waiters = ClockWaiters(0.0) { Date().addingTimeInterval($0) }
  private let changes: AsyncStream<Void>
  private let change: AsyncStream<Void>.Continuation

  /// Makes a clock that shows the true time.
  init() {
    (changes, change) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// The present moment.
  func now() -> Date { Date().addingTimeInterval(ahead) }

  /// How far it is set ahead, in seconds.
  var ahead: Double { waiters.reading }

  /// How many wait.
  var waitingCount: Int { waiters.count }

  /// When the first of those who wait is due; nil where nobody waits.
  var nextDeadline: Date? { waiters.nextDeadline }

  /// Sets the clock and wakes those whose time has come, in the order of their deadlines.
  ///
  /// - Parameter seconds: how far it is ahead of the true time, in seconds; not less than before.
  func set(ahead seconds: Double) { waiters.set { $0 = max($0, seconds) } }

  /// Waits until the clock was set so far.
  ///
  /// - Parameter seconds: how far, in seconds; zero or less returns at once.
  /// - Throws: `CancellationError`.
  func wait(seconds: Double) async throws { try await waiters.wait(seconds: seconds) { change.yield() } }

  /// Somebody has finished, or waits for somebody else.
  func noteProgress() { change.yield() }

  /// Returns when a condition holds, which is looked at after each change.
  ///
  /// - Parameter condition: what is waited for.
  /// - Throws: `CancellationError`.
  func waitUntil(_ condition: () -> Bool) async throws {
    while !condition() {
      for await _ in changes { break }
      try Task.checkCancellation()
    }
  }
}
