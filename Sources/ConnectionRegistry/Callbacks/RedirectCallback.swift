public import Foundation
public import RegistryModel

/// One arrival of a browser at the registry: a claim that nothing proves.
public struct RedirectCallback: Sendable, Hashable, Codable {
  /// Which of the session's two URLs the browser came to.
  public enum Outcome: String, Sendable, Hashable, Codable {
    /// The browser came to the URL for success.
    case success
    /// The browser came to the URL for failure.
    case failure
  }

  /// The callback's id.
  public var callbackID: UUID
  /// When it was recorded.
  public var recordedAt: Date
  /// The SHA-256 of its token, in hexadecimal.
  public var attemptSHA256: String
  /// The session with this token; nil where there is none.
  public var sessionID: UUID?
  /// Which URL the browser came to.
  public var outcome: Outcome
  /// What all facts so far say of the claim.
  public var verdict: CallbackVerdict
  /// The claimed id.
  public var userID: String?
  /// The claimed app user.
  public var referenceID: String?
  /// The claimed resource.
  public var resource: String?
  /// Why it failed, in Terra's words.
  public var reason: String?
  /// Parameters that stood there more than once with different values.
  public var ambiguous: [String]
  /// The query as it came.
  public var rawQuery: String
  /// Whether the browser showed the cookie of its session; nil where none was asked for.
  public var isBound: Bool?
}

/// How a callback is answered.
public enum CallbackAnswer: Sendable, Hashable {
  /// With a 303 to this URL.
  case redirect(to: String)
  /// With a plain page: the token is of no session, or the tenant does not exist.
  case unknown
  /// With a plain page: it is recorded, and there is no URL to which the browser could be sent with what is known.
  case recorded
  /// Without a page: the tenant only records, and the team's own system answers its browser.
  case shadowed
}
