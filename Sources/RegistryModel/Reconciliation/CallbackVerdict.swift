/// What the registry makes of a redirect callback, which is a claim; recomputed, never final.
public enum CallbackVerdict: String, Sendable, Hashable, CaseIterable, Codable {
  /// Not compared yet, or the grace still runs.
  case unverified
  /// A signed success agrees with it.
  case corroborated
  /// The session or a signed event says otherwise.
  case contradicted
  /// The grace is over, and nothing signed has come.
  case unconfirmed
}
