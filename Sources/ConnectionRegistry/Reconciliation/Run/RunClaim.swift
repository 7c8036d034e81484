import Foundation
import RegistryPostgres

/// A tenant's place in the queue, held by this process, with the run that stands in it.
struct RunClaim: Sendable {
  let runID: UUID
  /// Who holds it.
  let leaseID: UUID
  /// The database's time, by which facts are recorded, when the place was taken.
  let clock: Date
  /// The schedule's time at that moment.
  let at: Date
  /// Up to when the last complete run has examined facts.
  let watermark: Date?
  let dueAt: Date?
  /// Whether the run was begun before, by whoever.
  var isBegun: Bool
  /// What the run was asked to do; nil where nobody asked for it in particular.
  let asked: RunScope?
  var windowStart: Date?
  /// Whether the window has no beginning.
  var isOverEverything: Bool { windowStart == nil }
  var windowEnd: Date
  /// Up to when the facts of the window are collected.
  var collectedTo: Date?
  /// Up to which id what listings differ in is collected, and whether all of it.
  var differedTo: String?
  var hasDiffered: Bool
  var examined: Int
  /// When a run has last asked for Terra's listing to its end.
  let providerAt: Date?
  /// Whether the run asks for Terra's listing, and whether it has.
  var asksProvider: Bool
  var hasListed: Bool
  /// When a run has last copied Terra's table `terra_users` to its end.
  let terraUsersAt: Date?
  /// Whether the run copies it, and whether it has.
  var copiesTerraUsers: Bool
  var hasCopied: Bool
  var repair: RepairMode
  /// Up to which finding repairs are done, in the order in which they were first seen.
  var repairedTo: RepairCase.Place?
  var remarks: [String]

  /// Reads what `reconciliation_standing` says; nil where another holds the place.
  init?(row: PostgresRow, leaseID: UUID) throws {
    guard try row.decodeIfPresent("lease_id", as: UUID.self) == leaseID else { return nil }
    self.leaseID = leaseID
    runID = try row.decode("run_id")
    clock = try row.decode("clock")
    at = try row.decode("at")
    watermark = try row.decodeIfPresent("watermark")
    dueAt = try row.decodeIfPresent("due_at")
    isBegun = try row.decode("begun")
    let repair = try row.decodeIfPresent("repair", as: String.self).flatMap(RepairMode.init(rawValue:)) ?? .none
    let asksProvider = try row.decodeIfPresent("asks_provider") ?? false
    asked =
      try row.decode("asked", as: Bool.self)
      ? RunScope(
        isFull: try row.decodeIfPresent("is_full") ?? false, asksProvider: asksProvider, repair: repair)
      : nil
    windowStart = try row.decodeIfPresent("window_start")
    windowEnd = try row.decodeIfPresent("window_end") ?? clock
    collectedTo = try row.decodeIfPresent("collected_to")
    differedTo = try row.decodeIfPresent("differed_to")
    hasDiffered = try row.decodeIfPresent("has_differed") ?? false
    examined = try row.decodeIfPresent("examined") ?? 0
    providerAt = try row.decodeIfPresent("provider_at")
    self.asksProvider = asksProvider
    hasListed = try row.decodeIfPresent("provider", as: String.self) != nil
    terraUsersAt = try row.decodeIfPresent("terra_users_at")
    copiesTerraUsers = try row.decodeIfPresent("copies_terra_users") ?? false
    hasCopied = try row.decodeIfPresent("terra_users", as: String.self) != nil
    self.repair = repair
    repairedTo = try row.decodeIfPresent("repaired_to", as: Date.self).map {
      RepairCase.Place(firstSeenAt: $0, findingID: try row.decode("repaired_id"))
    }
    remarks = try row.decodeIfPresent("remarks") ?? []
  }

  /// Whether what was last done at a moment is due.
  ///
  /// - Parameters:
  ///   - last: when; nil is never.
  ///   - every: how often, in seconds; nil and 0 are never.
  /// - Returns: whether so much time has passed.
  func isDue(since last: Date?, every: Double?) -> Bool {
    guard let every, every > 0 else { return false }
    // One that lies ahead was written before the clock went back.
    guard let last, last <= at else { return true }
    return at.timeIntervalSince(last) >= every
  }

  /// Notes a sentence for whoever reads the run's report, once.
  mutating func remark(_ sentence: String) {
    if !remarks.contains(sentence), remarks.count < Self.maximumRemarks { remarks.append(sentence) }
  }

  /// How many remarks a run keeps.
  static let maximumRemarks = 20

  /// From when on a new run examines facts; nil is from the beginning.
  ///
  /// - Parameters:
  ///   - widening: how far back of the last run's end, in seconds.
  ///   - isFull: whether everything is wanted.
  /// - Returns: the window's start.
  func start(widening: Double, isFull: Bool) -> Date? {
    Self.start(watermark: watermark, clock: clock, widening: widening, isFull: isFull)
  }

  /// The same for a watermark, at a moment of the database's clock.
  static func start(watermark: Date?, clock: Date, widening: Double, isFull: Bool) -> Date? {
    // A watermark in the future was written before the clock went back: what came since may lie anywhere.
    guard !isFull, let watermark, watermark <= clock else { return nil }
    return watermark.addingTimeInterval(-widening)
  }
}
