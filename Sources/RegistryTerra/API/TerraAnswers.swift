import RegistryModel

/// The answer of authenticateUser: an authentication that has begun.
public struct TerraAuthentication: Sendable, Hashable {
  /// The id that the connection will have; it exists before the app user has authenticated.
  public let userID: String
  /// Where to send the app user's browser.
  public let authURL: String
  /// How long the URL can be used, where Terra says.
  public let expiresIn: Duration?
}

/// The answer of the widget endpoint: a session in which an app user picks a provider.
public struct TerraWidgetSession: Sendable, Hashable {
  /// The id of the session, expected to return as `widget_session_id` in events. The URL holds another one.
  public let sessionID: String
  /// Where to send the app user's browser.
  public let url: String
  /// How long the URL can be used, where Terra says.
  public let expiresIn: Duration?
  /// What Terra remarked on the request, such as unknown providers.
  public let warnings: [String]
}

/// The answer of generateAuthToken: what an app on a phone connects with, once.
public struct TerraAuthToken: Sendable, Hashable {
  /// The token. It is a secret.
  public let token: String
  /// How long it can be used, where Terra says.
  public let expiresIn: Duration?
}

extension TerraAuthentication {
  init(_ answer: AnswerReader) throws {
    self.init(
      userID: try answer.text("user_id", limit: UserID.maximumBytes), authURL: try answer.webURL("auth_url"),
      expiresIn: answer.seconds("expires_in"))
  }
}

extension TerraWidgetSession {
  init(_ answer: AnswerReader) throws {
    self.init(
      sessionID: try answer.text("session_id", limit: 1_024), url: try answer.webURL("url"),
      expiresIn: answer.seconds("expires_in"), warnings: answer.texts("warnings"))
  }
}

extension TerraAuthToken {
  init(_ answer: AnswerReader) throws {
    self.init(token: try answer.text("token", limit: 1_024), expiresIn: answer.seconds("expires_in"))
  }
}

extension TerraUserInfo {
  init(_ answer: AnswerReader, userID: String) throws {
    guard let user = try answer.users().first(where: { $0.userID.utf8.elementsEqual(userID.utf8) }) else {
      throw answer.unreadable("the answer is about other connections than the one asked for")
    }
    self.init(user: user, isAuthenticated: answer.bool("is_authenticated"))
  }

  /// Whether the answer shows the connection authenticated and taking in data; `false` proves nothing.
  public var isAlive: Bool {
    isAuthenticated != false && (user.isActive ?? (isAuthenticated == true))
  }
}

/// The answer of userInfo about one connection.
public struct TerraUserInfo: Sendable, Hashable {
  /// The connection.
  public let user: TerraUser
  /// Whether its authentication is complete; nil where Terra does not say.
  public let isAuthenticated: Bool?
}

/// One page of Terra's listing of connections, or the whole of it.
public struct TerraSubscriptionPage: Sendable, Hashable {
  /// The connections on the page.
  public let users: [TerraUser]
  /// The number of the next page, counted from zero; nil on the last.
  public let nextPage: Int?
  /// The number of the last page, where Terra says.
  public let maximumPage: Int?
  /// Whether Terra answered in pages; where not, `users` is the whole listing.
  public let isPaged: Bool
}
