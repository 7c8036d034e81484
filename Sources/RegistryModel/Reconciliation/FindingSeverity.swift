/// How much a finding matters, in rising order.
public enum FindingSeverity: String, Sendable, Hashable, CaseIterable, Codable, Comparable {
  /// Worth knowing.
  case info
  /// Something is wrong for somebody.
  case warning
  /// Something is forged, mixed up between people, or broken for a whole tenant.
  case critical

  /// Whether `left` comes before `right`.
  public static func < (left: FindingSeverity, right: FindingSeverity) -> Bool { left.order < right.order }

  private var order: Int {
    switch self {
    case .info: 0
    case .warning: 1
    case .critical: 2
    }
  }
}
