/// Which callbacks are wanted. What is nil does not limit.
public struct RedirectCallbackFilter: Sendable, Hashable {
  /// That claim this connection.
  public var userID: String?
  /// That claim this app user.
  public var referenceID: String?
  /// That claim this provider.
  public var resource: String?
  /// That came to this of the two URLs.
  public var outcome: RedirectCallback.Outcome?
  /// Recorded in this span.
  public var recorded: TimeRange

  /// Creates a filter.
  ///
  /// - Parameters:
  ///   - userID: that claim this connection.
  ///   - referenceID: that claim this app user.
  ///   - resource: that claim this provider, in any case.
  ///   - outcome: that came to this of the two URLs.
  ///   - recorded: recorded in this span.
  public init(
    userID: String? = nil, referenceID: String? = nil, resource: String? = nil,
    outcome: RedirectCallback.Outcome? = nil, recorded: TimeRange = TimeRange()
  ) {
    self.userID = userID
    self.referenceID = referenceID
    self.resource = resource
    self.outcome = outcome
    self.recorded = recorded
  }

  /// The filter as texts, for what cursors hold for.
  var texts: [String?] { [userID, referenceID, resource?.uppercased(), outcome?.rawValue] + recorded.texts }
}
