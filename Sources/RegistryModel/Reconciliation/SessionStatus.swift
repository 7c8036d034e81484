/// The state of an auth session; of two, the greater counts.
public enum SessionStatus: String, Sendable, Hashable, CaseIterable, Codable, Comparable {
  /// Begun, and nothing has come of it yet.
  case open
  /// Its time ran out.
  case expired
  /// A failure event or a failure callback came, or Terra refused to begin.
  case failed
  /// A signed success is tied to it.
  case completed

  /// Whether `left` comes before `right`.
  public static func < (left: SessionStatus, right: SessionStatus) -> Bool { left.order < right.order }

  private var order: Int {
    switch self {
    case .open: 0
    case .expired: 1
    case .failed: 2
    case .completed: 3
    }
  }
}
