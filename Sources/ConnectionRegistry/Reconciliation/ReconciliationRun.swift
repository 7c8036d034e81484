public import Foundation

/// One comparison of everything that was recorded about a tenant since the last complete one.
public struct ReconciliationRun: Sendable, Hashable, Codable {
  /// How a run ended.
  public enum Outcome: String, Sendable, Hashable, Codable {
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
  /// When it began.
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
  /// Why it failed.
  public var error: String?
}
