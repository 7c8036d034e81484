/// A moment in time: whole microseconds since 1970-01-01T00:00:00Z, the unit in which PostgreSQL keeps a `timestamptz`.
///
/// All arithmetic saturates, so a number that a stranger chose can neither trap nor wrap around.
public struct Instant: Sendable, Hashable, Comparable {
  /// Microseconds since 1970-01-01T00:00:00Z; negative before it.
  public var microseconds: Int64

  /// - Parameter microseconds: microseconds since 1970-01-01T00:00:00Z.
  public init(microseconds: Int64) {
    self.microseconds = microseconds
  }

  /// - Parameter seconds: whole seconds since 1970-01-01T00:00:00Z; what does not fit is clamped.
  public init(secondsSince1970 seconds: Int64) {
    self.init(microseconds: Self.saturatingProduct(seconds, 1_000_000))
  }

  /// - Parameter milliseconds: whole milliseconds since 1970-01-01T00:00:00Z; what does not fit is clamped.
  public init(millisecondsSince1970 milliseconds: Int64) {
    self.init(microseconds: Self.saturatingProduct(milliseconds, 1_000))
  }

  /// Whether `left` comes before `right`.
  public static func < (left: Instant, right: Instant) -> Bool {
    left.microseconds < right.microseconds
  }

  /// The greatest whole number of seconds since 1970 that is not later than this moment.
  public var wholeSeconds: Int64 {
    Self.floorDivision(microseconds, 1_000_000)
  }

  /// This moment and `duration` later (or earlier, when negative), cut to whole microseconds and clamped.
  public func advanced(by duration: Duration) -> Instant {
    let (seconds, attoseconds) = duration.components
    let whole = Self.saturatingProduct(seconds, 1_000_000)
    return Instant(
      microseconds: Self.saturatingSum(
        microseconds, Self.saturatingSum(whole, attoseconds / 1_000_000_000_000)))
  }

  /// The time from `earlier` to this moment; negative when `earlier` is in fact later.
  public func duration(since earlier: Instant) -> Duration {
    let (difference, overflow) = microseconds.subtractingReportingOverflow(earlier.microseconds)
    guard overflow else { return .microseconds(difference) }
    return .microseconds(microseconds < 0 ? Int64.min : Int64.max)
  }

  /// The beginning of the minute that holds this moment.
  ///
  /// The instants of data webhooks are floored so, which lets `last_data_at` be written at most once a minute and yet
  /// not depend on the order of arrival.
  public var flooredToMinute: Instant {
    let minute: Int64 = 60_000_000
    return Instant(microseconds: Self.saturatingProduct(Self.floorDivision(microseconds, minute), minute))
  }

  static func saturatingSum(_ left: Int64, _ right: Int64) -> Int64 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    guard overflow else { return sum }
    return right < 0 ? .min : .max
  }

  static func saturatingProduct(_ left: Int64, _ right: Int64) -> Int64 {
    let (product, overflow) = left.multipliedReportingOverflow(by: right)
    guard overflow else { return product }
    return (left < 0) == (right < 0) ? .max : .min
  }

  static func floorDivision(_ dividend: Int64, _ divisor: Int64) -> Int64 {
    let (quotient, remainder) = dividend.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }
}

extension Instant: Codable {
  /// Reads the number of microseconds since 1970 as a single value.
  public init(from decoder: any Decoder) throws {
    self.init(microseconds: try decoder.singleValueContainer().decode(Int64.self))
  }

  /// Writes the number of microseconds since 1970 as a single value.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(microseconds)
  }
}
