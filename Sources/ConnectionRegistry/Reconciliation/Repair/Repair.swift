public import Foundation
public import RegistryModel

/// What a run did about one finding, or would do.
public struct Repair: Sendable, Hashable, Codable {
  /// What was done.
  public enum Act: String, Sendable, Hashable, Codable {
    /// A correction says that the connection is alive.
    case confirmed
    /// A correction says that the connection is gone.
    case ended
    /// Nothing: it could not be proved, or changed meanwhile.
    case left
  }

  /// The finding.
  public var findingID: UUID
  /// Its kind.
  public var kind: FindingKind
  /// The connection.
  public var userID: String?
  /// What was done.
  public var act: Act
  /// Why, in a sentence for a person.
  public var reason: String
  /// The correction that was written.
  public var correctionID: UUID?
}

/// How far a run may go.
public enum RepairMode: String, Sendable, Hashable, CaseIterable, Codable {
  /// Finds and names only.
  case none
  /// Makes good what an answer of Terra's about the one connection proves, and nothing else.
  case safe
}
