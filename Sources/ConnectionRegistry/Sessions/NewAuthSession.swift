/// What a session is opened with.
public struct NewAuthSession: Sendable, Hashable, Codable {
  /// How to begin it; nil is `direct` where there is a resource, else `widget`.
  public var kind: AuthSession.Kind?
  /// The app user's id at the team: opaque, stable, 1 to 1,024 bytes; nil for an anonymous attempt.
  public var referenceID: String?
  /// The provider as Terra spells it; nil lets the person choose in Terra's widget.
  public var resource: String?
  /// Where the browser returns after a success; must be on the tenant's allow-list. A mobile session has none.
  public var success: String?
  /// Where the browser returns after a failure; must be on the tenant's allow-list. A mobile session has none.
  public var failure: String?
  /// The widget's language, such as `en`.
  public var language: String?
  /// The providers that the widget offers; nil offers all.
  public var providers: [String]?
  /// Whether the person may connect several providers in one session (widget only).
  public var multiAuth: Bool
  /// The connection that is to be connected again: its app user and its resource are the session's.
  public var replaces: String?

  /// Describes a session to open.
  ///
  /// - Parameters:
  ///   - kind: how to begin it; nil is `direct` where there is a resource, else `widget`.
  ///   - referenceID: the app user's id at the team.
  ///   - resource: the provider; nil for Terra's widget.
  ///   - success: where the browser returns after a success; required unless the session is mobile.
  ///   - failure: where the browser returns after a failure; required unless the session is mobile.
  ///   - language: the widget's language.
  ///   - providers: the providers that the widget offers.
  ///   - multiAuth: whether several connections may come of the session.
  ///   - replaces: the `user_id` of the connection that is to be connected again.
  public init(
    kind: AuthSession.Kind? = nil, referenceID: String? = nil, resource: String? = nil, success: String? = nil,
    failure: String? = nil, language: String? = nil, providers: [String]? = nil, multiAuth: Bool = false,
    replaces: String? = nil
  ) {
    self.kind = kind
    self.referenceID = referenceID
    self.resource = resource
    self.success = success
    self.failure = failure
    self.language = language
    self.providers = providers
    self.multiAuth = multiAuth
    self.replaces = replaces
  }
}
