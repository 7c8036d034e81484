/// How much a caller may still do: tokens that come in at a rate, up to a burst, and one of which each request takes.
struct TokenBucket: Sendable, Hashable {
  /// How many tokens come in a second; above zero.
  let rate: Double
  /// How many tokens can wait; at least one.
  let burst: Double
  private(set) var tokens: Double
  private var filledAt: ContinuousClock.Instant

  /// A full bucket.
  init(rate: Double, burst: Double, at now: ContinuousClock.Instant) {
    self.rate = rate
    self.burst = burst
    tokens = burst
    filledAt = now
  }

  /// Takes one token.
  ///
  /// - Parameter now: The time; one before the last call's counts as the last call's.
  /// - Returns: Nil when there was one, else how long it takes until there is.
  mutating func take(at now: ContinuousClock.Instant) -> Duration? {
    fill(at: now)
    guard tokens >= 1 else { return .seconds((1 - tokens) / rate) }
    tokens -= 1
    return nil
  }

  /// Whether nobody has taken anything for so long that a new bucket would be the same.
  mutating func isFull(at now: ContinuousClock.Instant) -> Bool {
    fill(at: now)
    return tokens >= burst
  }

  private mutating func fill(at now: ContinuousClock.Instant) {
    guard now > filledAt else { return }
    tokens = min(burst, tokens + (now - filledAt) / .seconds(1) * rate)
    filledAt = now
  }
}
