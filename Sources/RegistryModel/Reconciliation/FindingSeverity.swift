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

  /// Within how many seconds somebody should have dealt with a finding that matters so much, or acknowledged it.
  public var target: Double {
    switch self {
    case .critical: 4 * 3_600
    case .warning: 86_400
    case .info: 7 * 86_400
    }
  }

  /// At which ages a finding that matters so much escalates while nobody has acknowledged it, in seconds: when it is
  /// overdue, and at each greater step of ``FindingAge``.
  public var escalations: [Double] {
    [target] + FindingAge.allCases.map(\.upperBound).filter { $0 > target && $0.isFinite }
  }

  private var order: Int {
    switch self {
    case .info: 0
    case .warning: 1
    case .critical: 2
    }
  }
}
