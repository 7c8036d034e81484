/// An instant of the continuous clock, in a form whose size is known where this is compiled.
///
/// The standard library's own is opaque to other modules: each copy of it, and of what holds it, asks a table what to
/// do, and asynchronous functions take memory for it at run time.
struct LaneInstant: Sendable, Comparable {
  private static let origin = ContinuousClock.now

  private let sinceOrigin: Duration

  private init(sinceOrigin: Duration) {
    self.sinceOrigin = sinceOrigin
  }

  init(_ instant: ContinuousClock.Instant) {
    sinceOrigin = Self.origin.duration(to: instant)
  }

  static var now: LaneInstant { LaneInstant(.now) }

  /// The same in the standard library's form.
  var instant: ContinuousClock.Instant { Self.origin + sinceOrigin }

  static func < (one: LaneInstant, other: LaneInstant) -> Bool { one.sinceOrigin < other.sinceOrigin }

  static func + (instant: LaneInstant, duration: Duration) -> LaneInstant {
    LaneInstant(sinceOrigin: instant.sinceOrigin + duration)
  }

  static func - (later: LaneInstant, earlier: LaneInstant) -> Duration { later.sinceOrigin - earlier.sinceOrigin }
}
