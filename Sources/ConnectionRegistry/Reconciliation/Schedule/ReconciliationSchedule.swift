import Foundation

/// Who is due, in which order, and what was missed: pure decisions over places in the queue and a time.
///
/// Runs fall on a grid: every tenant has a moment of its own within the period, told from its id, so that a thousand
/// tenants do not come at once and every replica finds the same moments. A place that lies much further ahead than a
/// period, and a lease that ends much later than a lease can, were written before a clock went back: they hold nobody
/// up. A little is no sign of that, because whoever looks may have read the time before another wrote the row.
struct ReconciliationSchedule: Sendable, Hashable {
  /// Who wants to be run.
  enum Demand: Sendable, Hashable {
    /// Everybody, so often, in seconds.
    case every(Double)
    /// Everybody who was not begun since.
    case once(since: Date)
    /// Only those of whom somebody asks for a run.
    case asked
  }

  /// A tenant's place in the queue.
  struct Place: Sendable, Hashable {
    var tenantID: UUID
    var slug: String
    /// The time at which the next run is due; the end of the last slice while one is under way.
    var placeAt: Date
    /// When the next run is due; nil where none was ever scheduled.
    var dueAt: Date?
    /// When the last run began.
    var startedAt: Date?
    var isUnderWay = false
    var leaseUntil: Date?
    var isPaused = false
    /// Whether somebody has asked for a run that is not over.
    var isAsked = false
    var isDisabled = false
    var missed = 0
    /// Moves with each change of the row.
    var version = 0
  }

  /// How a tenant stands.
  enum Standing: Sendable, Hashable {
    case paused
    /// Disabled, and without a run that would have to be ended.
    case disabled
    case atWork(until: Date)
    /// It was begun already, by whoever.
    case done
    case waiting(until: Date)
    case due
  }

  let demand: Demand
  /// How long a place is held without a sign of life, in seconds.
  let lease: Double

  /// Whether everybody is run once: then a run that was asked for is another's.
  var isOnce: Bool {
    if case .once = demand { true } else { false }
  }

  /// How a tenant stands at a time.
  func standing(_ place: Place, at now: Date) -> Standing {
    if place.isPaused, !place.isAsked || isOnce { return .paused }
    if place.isDisabled, !place.isUnderWay { return .disabled }
    if let until = place.leaseUntil, until >= now, until <= now.addingTimeInterval(2 * lease) {
      return .atWork(until: until)
    }
    switch demand {
    case .every where place.isAsked: return .due
    case .asked: return place.isAsked ? .due : .waiting(until: .distantFuture)
    case .every(let period):
      return place.placeAt <= now || place.placeAt > now.addingTimeInterval(period + lease)
        ? .due : .waiting(until: place.placeAt)
    case .once(let since):
      if place.isUnderWay { return .due }
      guard let started = place.startedAt, started >= since, started <= now else { return .due }
      return .done
    }
  }

  /// The due ones, oldest first; what stands so far ahead of the clock as no place can is as old as can be.
  func queue(_ places: [Place], at now: Date) -> [Place] {
    func age(_ place: Place) -> Date {
      guard case .every(let period) = demand, place.placeAt > now.addingTimeInterval(period + lease) else {
        return place.placeAt
      }
      return .distantPast
    }
    return places.filter { standing($0, at: now) == .due }
      .sorted { (age($0), $0.tenantID.text) < (age($1), $1.tenantID.text) }
  }

  /// How many runs fell due after `due` and were never begun, up to `now`.
  func missed(since due: Date?, at now: Date) -> Int {
    guard case .every(let period) = demand, let due, due < now else { return 0 }
    return Int(min((now.timeIntervalSince(due) / period).rounded(.down), 1e9))
  }

  /// The tenant's next moment on the grid, after `now`; nil where there is no period.
  func next(for tenantID: UUID, after now: Date) -> Date? {
    guard case .every(let period) = demand else { return nil }
    let moment = Self.fraction(of: tenantID) * period
    let seconds = now.timeIntervalSince1970 - moment
    return Date(timeIntervalSince1970: ((seconds / period).rounded(.down) + 1) * period + moment)
  }

  /// Until when a run is put off that could not go on, though the database answers: as long again as it is under way, at least
  /// as long as a place is held and at most a period, so that one that never can costs its tenant only.
  func retry(_ place: Place, at now: Date) -> Date {
    var longest = lease
    if case .every(let period) = demand { longest = max(period, lease) }
    let age = place.startedAt.map { now.timeIntervalSince($0) } ?? 0
    return now.addingTimeInterval(min(max(age, lease), longest))
  }

  /// How long to wait when nobody is due: until the next place, but not so long that a new tenant waits.
  ///
  /// - Parameters:
  ///   - next: the first place that lies ahead.
  ///   - now: the time.
  ///   - spread: 0 to 1, drawn, so that replicas do not all ask at once.
  /// - Returns: the time to wait.
  func idle(until next: Date?, at now: Date, spread: Double) -> Duration {
    let wait = min(max(next?.timeIntervalSince(now) ?? Self.longestIdle, 0), Self.longestIdle)
    return .seconds(wait + 0.001 + spread * Self.idleSpread)
  }

  /// The longest time between two looks at the queue, in seconds.
  static let longestIdle = 15.0
  /// How far looks of several replicas are spread, in seconds.
  static let idleSpread = 0.25

  /// 0 to 1, the same for a tenant wherever it is asked for.
  static func fraction(of tenantID: UUID) -> Double {
    // FNV-1a; the id's own bits are not used as they are, because an id may be a time.
    let hash = tenantID.bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return Double(hash >> 11) / Double(1 << 53 as UInt64)
  }
}
