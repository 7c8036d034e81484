/// How old a finding is, in the steps in which reports count.
public enum FindingAge: String, Sendable, Hashable, CaseIterable, Codable {
  /// Less than an hour.
  case underHour = "under_1h"
  /// From an hour to a day.
  case underDay = "under_1d"
  /// From a day to a week.
  case underWeek = "under_7d"
  /// From a week to thirty days.
  case underMonth = "under_30d"
  /// Thirty days and more.
  case older = "30d_and_more"

  /// The step of an age.
  ///
  /// - Parameter seconds: the age; below zero, where a clock went back, counts as none.
  public init(seconds: Double) {
    self = Self.allCases.first { seconds < $0.upperBound } ?? .older
  }

  /// The first age that is too old for this step, in seconds.
  public var upperBound: Double {
    switch self {
    case .underHour: 3_600
    case .underDay: 86_400
    case .underWeek: 7 * 86_400
    case .underMonth: 30 * 86_400
    case .older: .infinity
    }
  }
}
