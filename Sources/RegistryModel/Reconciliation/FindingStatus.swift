/// What became of a finding.
public enum FindingStatus: String, Sendable, Hashable, CaseIterable, Codable {
  /// It stands.
  case open
  /// It stands, and somebody has said so.
  case acknowledged
  /// The registry repaired it.
  case repaired
  /// A later run no longer found it.
  case vanished
}
