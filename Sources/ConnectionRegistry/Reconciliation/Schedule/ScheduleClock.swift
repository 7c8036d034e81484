import Foundation

/// Where the schedule's time comes from: the database's clock, which all replicas share, unless a test holds another.
struct ScheduleClock: Sendable {
  /// The time; nil leaves it to the database.
  var now: @Sendable () -> Date? = { nil }
  /// Time that only goes forward, to measure a slice with.
  var elapsed: @Sendable () -> Duration = { ContinuousClock.now - ScheduleClock.start }
  /// Waits.
  var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
  /// 0 to 1, drawn.
  var spread: @Sendable () -> Double = { Double.random(in: 0..<1) }

  private static let start = ContinuousClock.now
}
