public import Foundation
public import RegistryModel

/// One attempt of an app user to connect.
public struct AuthSession: Sendable, Hashable, Codable {
  /// How the session was begun at Terra.
  public enum Kind: String, Sendable, Hashable, Codable {
    /// For one resource, by `authenticateUser`.
    case direct
    /// With Terra's widget, where the person chooses.
    case widget
  }

  /// The session's id.
  public var sessionID: UUID
  /// How it was begun.
  public var kind: Kind
  /// What became of it, from all facts and claims so far.
  public var status: SessionStatus
  /// The app user's id at the team; nil for an anonymous attempt.
  public var referenceID: String?
  /// The resource, where the session is for one.
  public var resource: String?
  /// Whether several connections may come of it.
  public var multiAuth: Bool
  /// The id that Terra gave out in advance; nil for the widget.
  public var userID: String?
  /// Terra's id of the widget session.
  public var terraSessionID: String?
  /// Where to send the browser.
  public var authURL: String?
  /// Where the browser returns after a success.
  public var returnSuccess: String
  /// Where the browser returns after a failure.
  public var returnFailure: String
  /// Why Terra refused to begin it.
  public var refusedReason: String?
  /// When it was opened.
  public var createdAt: Date
  /// Until when it can be used.
  public var expiresAt: Date
}

/// What a session is opened with.
public struct NewAuthSession: Sendable, Hashable, Codable {
  /// The app user's id at the team: opaque, stable, 1 to 1,024 bytes; nil for an anonymous attempt.
  public var referenceID: String?
  /// The provider as Terra spells it; nil lets the person choose in Terra's widget.
  public var resource: String?
  /// Where the browser returns after a success; must be on the tenant's allow-list.
  public var success: String
  /// Where the browser returns after a failure; must be on the tenant's allow-list.
  public var failure: String
  /// The widget's language, such as `en`.
  public var language: String?
  /// The providers that the widget offers; nil offers all.
  public var providers: [String]?
  /// Whether the person may connect several providers in one session (widget only).
  public var multiAuth: Bool

  /// Describes a session to open.
  ///
  /// - Parameters:
  ///   - referenceID: the app user's id at the team.
  ///   - resource: the provider; nil for Terra's widget.
  ///   - success: where the browser returns after a success.
  ///   - failure: where the browser returns after a failure.
  ///   - language: the widget's language.
  ///   - providers: the providers that the widget offers.
  ///   - multiAuth: whether several connections may come of the session.
  public init(
    referenceID: String?, resource: String? = nil, success: String, failure: String, language: String? = nil,
    providers: [String]? = nil, multiAuth: Bool = false
  ) {
    self.referenceID = referenceID
    self.resource = resource
    self.success = success
    self.failure = failure
    self.language = language
    self.providers = providers
    self.multiAuth = multiAuth
  }
}
