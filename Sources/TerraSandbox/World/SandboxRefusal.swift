/// Why the sandbox, in Terra's place, refuses an act.
public enum SandboxRefusal: Error, Hashable, CustomStringConvertible {
  /// No attempt has this id.
  case unknownAttempt
  /// The login page has expired.
  case expired
  /// The person has decided already.
  case alreadyDecided
  /// The environment has no authenticated connection with this `user_id`.
  case unknownConnection
  /// The environment holds as many connections as it may.
  case userLimitReached
  /// The provider can only be connected by an app on a phone.
  case mobileOnly(String)
  /// No provider has this name.
  case unknownResource(String)
  /// No environment has this slug.
  case unknownEnvironment(String)
  /// The token for a phone was never given out here, or is used up.
  case unknownPhoneToken
  /// The token for a phone is bound to another app user.
  case foreignPhoneToken

  /// What was wrong.
  public var description: String {
    switch self {
    case .unknownAttempt: "no attempt has this id"
    case .expired: "the login page has expired; begin another attempt"
    case .alreadyDecided: "the attempt is decided; begin another one"
    case .unknownConnection: "the environment has no authenticated connection with this user_id"
    case .userLimitReached: "the environment holds as many connections as its user_cap allows"
    case .mobileOnly(let name): "\(name) can only be connected by an app on a phone"
    case .unknownResource(let name): "no provider is named '\(name)'"
    case .unknownEnvironment(let slug): "no environment is named '\(slug)'"
    case .unknownPhoneToken: "the token was never given out here, or is used up"
    case .foreignPhoneToken: "the token is bound to another app user"
    }
  }
}
