public import RegistryModel

/// What a webhook said about itself, found while its body streamed by.
public struct SniffedEvent: Sendable, Hashable {
  /// The event's `type`; nil when there is no readable one.
  public let type: String?
  /// The event's `status`; nil when there is no readable one.
  public let status: String?
  /// The `user_id` of the event's connection: of `user`, else of `new_user`.
  public let userID: String?
  /// Whether `user` or `new_user` is an object.
  public let hasUser: Bool
  /// Whether there is a member `data`.
  public let hasData: Bool
  /// Whether one JSON object was seen from its first to its last brace, and nothing after it.
  ///
  /// The scanner counts braces; it does not check all of JSON's rules.
  public let isComplete: Bool

  /// What the event is; nil when it has no readable `type`.
  public var kind: TerraEvent.Kind? {
    type.map { EventCatalogue.kind(type: $0, status: status, hasUser: hasUser, hasData: hasData) }
  }

  /// The fact that a data webhook contributes; nil for any other event, and where no connection is named.
  ///
  /// - Parameter instant: the event's instant, which the fact floors to the minute.
  /// - Returns: the fact, or nil.
  public func dataFact(at instant: Instant) -> ConnectionFact? {
    guard kind == .data, isComplete, let type, EventCatalogue.bringsData(type: type), let userID,
      (try? UserID(userID)) != nil
    else { return nil }
    return ConnectionFact(userID: userID, evidence: .data, at: instant, factID: "")
  }
}
