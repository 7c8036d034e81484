public import Foundation

/// What the last repair did about a finding.
public struct FindingRepair: Sendable, Hashable, Codable {
  /// What was done.
  public enum Act: String, Sendable, Hashable, CaseIterable, Codable {
    /// A correction says that the connection is alive.
    case confirmed
    /// A correction says that the connection is gone.
    case ended
    /// Nothing: it could not be proved, or changed meanwhile.
    case left
    /// A later correction took the repair's effect back.
    case undone
  }

  /// What was done.
  public var act: Act
  /// Why, in a sentence for a person.
  public var reason: String
  /// When.
  public var at: Date
  /// The correction that was written; nil where nothing was.
  public var correctionID: UUID?
}
