/// How soon the next question may go to Terra, so that a pass stays within a budget of requests.
struct TerraPace: Sendable {
  /// The least time from one question to the next.
  let interval: Duration
  private var next: ContinuousClock.Instant?

  /// - Parameter requestsPerSecond: the budget, above 0.
  init(requestsPerSecond: Double) {
    interval = .seconds(1 / max(requestsPerSecond, 0.001))
  }

  /// Takes the next place.
  ///
  /// - Parameter now: the present instant.
  /// - Returns: how long to wait before asking.
  mutating func take(now: ContinuousClock.Instant) -> Duration {
    let place = max(next ?? now, now)
    next = place + interval
    return place - now
  }

  /// Whether whoever asks at an instant waits for nothing.
  func isFree(at now: ContinuousClock.Instant) -> Bool { next.map { $0 <= now } ?? true }
}
