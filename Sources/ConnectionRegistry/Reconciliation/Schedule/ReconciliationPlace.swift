public import Foundation

/// How a tenant stands in the schedule.
public struct ReconciliationPlace: Sendable, Hashable, Codable {
  /// How it stands.
  public enum Status: String, Sendable, Hashable, Codable {
    /// Its next run is still to come, or the one under way is put off.
    case waiting
    /// Its next run is due, or goes on with its next slice.
    case due
    /// A process is at work on it.
    case running
    /// Nothing is scheduled until it is resumed.
    case paused
    /// The tenant is disabled.
    case disabled
  }

  /// The tenant's slug.
  public var tenant: String
  /// How it stands.
  public var status: Status
  /// When the next run is due; nil where none was ever scheduled.
  public var dueAt: Date?
  /// When the last run began.
  public var startedAt: Date?
  /// How many runs fell due and were never begun.
  public var missed: Int64
  /// Since when it is paused.
  public var pausedAt: Date?
  /// Who has paused it.
  public var pausedBy: String?
  /// Why it is paused.
  public var pausedReason: String?
}
