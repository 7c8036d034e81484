public import Foundation

/// One comparison of everything that was recorded about a tenant since the last complete one.
public struct ReconciliationRun: Sendable, Hashable, Codable {
  /// How a run ended.
  public enum Outcome: String, Sendable, Hashable, Codable {
    /// It was asked for, and has not begun.
    case queued
    /// It is under way, or was killed and is not yet taken over.
    case running
    /// Everything was examined.
    case complete
    /// Something could not be examined; what was found holds.
    case partial
    /// It was broken off; the next run examines the same again.
    case failed
  }

  /// The run's id.
  public var runID: UUID
  /// The tenant's slug.
  public var tenant: String
  /// When it began; of one that was asked for, when that was.
  public var startedAt: Date
  /// When it ended.
  public var finishedAt: Date?
  /// From when on facts were examined; nil is from the beginning.
  public var windowStart: Date?
  /// Until when facts were examined.
  public var windowEnd: Date
  /// How it ended.
  public var outcome: Outcome
  /// How many subjects were examined.
  public var examined: Int64
  /// How many findings opened in it.
  public var foundNew: Int64
  /// How many findings were open before and are still.
  public var persisting: Int64
  /// How many findings vanished in it.
  public var resolved: Int64
  /// How many findings it made good.
  public var repaired: Int64
  /// How many runs before it fell due and were never begun.
  public var missed: Int64
  /// How the reading of Terra's listing ended: `complete` or `incomplete`; nil where it was not asked for.
  public var provider: String?
  /// How far it might go.
  public var repair: RepairMode
  /// What it could not do, and why, in sentences for a person.
  public var remarks: [String]
  /// Why it failed.
  public var error: String?

  /// Whether it has compared everything that is recorded.
  var isDone: Bool { outcome == .complete || outcome == .partial }
}
