/// What the registry itself observed about a connection: an answer of Terra's API, or an operator's act.
public enum CorrectionVerdict: String, Sendable, Hashable, CaseIterable, Codable, RegisterValue {
  /// Terra knows the connection and has it authenticated.
  case alive
  /// Terra does not know the connection, or no longer.
  case gone

  /// The text of the value, as the database keeps it.
  public var registerText: String { rawValue }
}
