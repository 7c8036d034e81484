public import Foundation
public import RegistryModel

/// What a run would do.
public struct Rehearsal: Sendable, Hashable, Codable {
  /// A transition that a finding would make.
  public struct Transition: Sendable, Hashable, Codable {
    /// Whether it would open, come back or be resolved.
    public var type: FindingTransitionType
    /// The finding's id, the same that a run would give it.
    public var findingID: UUID
    /// Its kind.
    public var kind: FindingKind
    /// How bad it is.
    public var severity: FindingSeverity
    /// Why, as a stable code.
    public var reasonCode: String
    /// What it is about.
    public var subject: Finding.Subject
    /// One sentence for a person.
    public var summary: String
  }

  /// The findings that would open, come back or be resolved, by id.
  public var findings: [Transition]
  /// What would be done about each finding that Terra's answer may settle, oldest first.
  public var repairs: [Repair]
  /// What could not be done, and why, in sentences for a person.
  public var remarks: [String]
  /// Whether Terra could not be asked about everything.
  public var isPartial: Bool
}
