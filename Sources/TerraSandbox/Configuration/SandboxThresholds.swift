/// The limits of the tenants under test, from which the delays of webhooks are scaled.
///
/// No delay falls within a fifth of a limit, so that a slow machine does not move one to the other side.
public struct SandboxThresholds: Sendable, Hashable, Codable {
  /// How long the two channels may be apart, in seconds.
  public var grace: Double
  /// How long a session lives, in seconds.
  public var expiry: Double
  /// How old a webhook may be before it is quarantined, in seconds.
  public var horizon: Double

  /// Creates limits.
  ///
  /// - Parameters:
  ///   - grace: in seconds; the registry's default is ten minutes.
  ///   - expiry: in seconds; Terra's default for the legacy widget is fifteen minutes.
  ///   - horizon: in seconds; the registry's default is 48 hours.
  public init(grace: Double = 600, expiry: Double = 900, horizon: Double = 172_800) {
    self.grace = grace
    self.expiry = expiry
    self.horizon = horizon
  }

  /// A delay that stays below the grace.
  ///
  /// - Parameter draw: a number in 0 ..< 1.
  /// - Returns: seconds, 0.1 to 0.7 of the grace.
  public func delayBelowGrace(_ draw: Double) -> Double {
    Self.pick(draw, from: self.segments(from: 0.1 * self.grace, to: 0.7 * self.grace))
  }

  /// A delay past the grace and below the horizon, clear of the expiry too.
  ///
  /// - Parameter draw: a number in 0 ..< 1.
  /// - Returns: seconds, between 1.3 of the grace and 0.7 of the horizon.
  public func delayPastGrace(_ draw: Double) -> Double {
    Self.pick(draw, from: self.segments(from: self.leastLateDelay, to: 0.7 * self.horizon))
  }

  /// A delay past the horizon.
  ///
  /// - Parameter draw: a number in 0 ..< 1.
  /// - Returns: seconds, 1.25 to 1.35 of the horizon.
  public func delayPastHorizon(_ draw: Double) -> Double {
    self.horizon * (1.25 + 0.1 * draw)
  }

  /// Checks that every kind of delay has room.
  ///
  /// - Throws: ``SandboxConfigurationError`` when a limit is not positive or the limits are too close.
  public func validate() throws(SandboxConfigurationError) {
    guard self.grace > 0, self.expiry > 0, self.horizon > 0 else {
      throw SandboxConfigurationError(setting: "thresholds", reason: "grace, expiry and horizon must be above zero")
    }
    guard !self.segments(from: 0.1 * self.grace, to: 0.7 * self.grace).isEmpty,
      !self.segments(from: self.leastLateDelay, to: 0.7 * self.horizon).isEmpty
    else {
      throw SandboxConfigurationError(
        setting: "thresholds", reason: "the horizon must be at least twice the grace, and the expiry apart from both")
    }
  }

  /// An event without an ordering timestamp stands up to a second later than it was emitted, and is that much less
  /// late.
  private var leastLateDelay: Double { max(1.3 * self.grace, 1.2 * self.grace + 1) }

  /// The range without what lies within a fifth of the expiry.
  private func segments(from lower: Double, to upper: Double) -> [ClosedRange<Double>] {
    let forbidden = (0.8 * self.expiry, 1.2 * self.expiry)
    var segments: [ClosedRange<Double>] = []
    let below = min(upper, forbidden.0)
    if lower < below { segments.append(lower...below) }
    let above = max(lower, forbidden.1)
    if above < upper { segments.append(above...upper) }
    return segments
  }

  private static func pick(_ draw: Double, from segments: [ClosedRange<Double>]) -> Double {
    var rest = draw * segments.reduce(0) { $0 + $1.upperBound - $1.lowerBound }
    for segment in segments {
      let length = segment.upperBound - segment.lowerBound
      if rest <= length { return segment.lowerBound + rest }
      rest -= length
    }
    return segments.last?.upperBound ?? 0
  }
}
