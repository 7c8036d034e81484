public import RegistryModel

/// Which sessions are wanted. What is nil does not limit.
public struct AuthSessionFilter: Sendable, Hashable {
  /// Of this app user.
  public var referenceID: String?
  /// For this provider.
  public var resource: String?
  /// In one of these states.
  public var statuses: Set<SessionStatus>?
  /// Opened in this span.
  public var opened: TimeRange

  /// Creates a filter.
  ///
  /// - Parameters:
  ///   - referenceID: of this app user.
  ///   - resource: for this provider, in any case.
  ///   - statuses: in one of these states.
  ///   - opened: opened in this span.
  public init(
    referenceID: String? = nil, resource: String? = nil, statuses: Set<SessionStatus>? = nil,
    opened: TimeRange = TimeRange()
  ) {
    self.referenceID = referenceID
    self.resource = resource
    self.statuses = statuses
    self.opened = opened
  }

  /// The filter as texts, for what cursors hold for.
  var texts: [String?] {
    [referenceID, resource?.uppercased(), statuses.map { $0.map(\.rawValue).sorted().joined(separator: ",") }]
      + opened.texts
  }

  /// Whether only sessions whose time is not over can be meant, or only others; nil where both can.
  var isLive: Bool? {
    switch statuses {
    case [.open]: true
    case [.expired]: false
    default: nil
    }
  }
}
