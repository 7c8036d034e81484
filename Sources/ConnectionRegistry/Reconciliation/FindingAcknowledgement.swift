public import Foundation

/// That somebody has taken a finding on.
public struct FindingAcknowledgement: Sendable, Hashable, Codable {
  /// Who, in words of the team's own.
  public var by: String
  /// Why it may stand.
  public var reason: String
  /// Until when; after it the finding is open again. Nil is without an end.
  public var until: Date?
  /// When it was said.
  public var at: Date
}
