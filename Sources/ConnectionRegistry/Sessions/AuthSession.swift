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
    /// By an app on a phone, with a token of `generateAuthToken`: there is no browser and no redirect.
    case mobile
  }

  /// Through which surface a session was begun.
  public enum Channel: String, Sendable, Hashable, Codable {
    /// The registry's own API, library or command.
    case api
    /// The gateway for Terra's clients.
    case gateway
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
  /// Where to send the browser. Of a session that is bound to its browser it is shown only in the answer that opens it.
  public var authURL: String?
  /// What the app on the phone connects with, once, in the next minutes; only in the answer that opens a mobile session.
  public var token: String?
  /// Where the browser returns after a success; nil where no redirect was asked for.
  public var returnSuccess: String?
  /// Where the browser returns after a failure; nil where no redirect was asked for.
  public var returnFailure: String?
  /// Through which surface it was begun.
  public var channel = Channel.api
  /// The connection that it is to replace.
  public var replaces: String?
  /// Whether the browser that comes back must be the one that began.
  public var isBound = false
  /// Why Terra refused to begin it.
  public var refusedReason: String?
  /// The stable code of that problem.
  public var refusedCode: String?
  /// When it was opened.
  public var createdAt: Date
  /// Until when it can be used.
  public var expiresAt: Date
}
