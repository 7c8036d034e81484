import RegistryTerra

/// What Terra's clients may do through the registry: a closed list, in which no endpoint of health data stands.
public enum GatewayOperation: String, Sendable, Hashable, CaseIterable {
  /// Begins a session with Terra's widget (older generation).
  case generateWidgetSession
  /// Begins a session with Terra's widget (newer generation).
  case widgetSession
  /// Begins a session at one provider.
  case authenticateUser
  /// Ends a connection.
  case deauthenticateUser
  /// Asks about one connection, or about those of one app user.
  case userInfo
  /// Lists the connections.
  case subscriptions
  /// Asks about several connections.
  case bulkUserInfo
  /// Makes a token for a phone.
  case generateAuthToken
  /// The newer name of the same.
  case authTokens
  /// Lists the providers.
  case integrations
  /// Lists the providers with what each can do.
  case detailedIntegrations

  /// The method, as HTTP writes it.
  public var method: String { forwardedMethod.rawValue }

  var forwardedMethod: TerraForwardedCall.Method {
    switch self {
    case .generateWidgetSession, .widgetSession, .authenticateUser, .bulkUserInfo, .generateAuthToken, .authTokens:
      .post
    case .deauthenticateUser: .delete
    case .userInfo, .subscriptions, .integrations, .detailedIntegrations: .get
    }
  }

  /// The path behind `/terra`.
  public var path: String {
    switch target {
    case .api(let path): "/v2" + path
    case .widgetSession: "/widget/session"
    }
  }

  /// Where the call goes at Terra. It is never made of the caller's path.
  var target: TerraForwardedCall.Target {
    switch self {
    case .widgetSession: .widgetSession
    case .generateWidgetSession, .authenticateUser, .deauthenticateUser, .generateAuthToken: .api("/auth/\(rawValue)")
    case .authTokens: .api("/auth/tokens")
    case .userInfo, .subscriptions, .bulkUserInfo, .integrations: .api("/\(rawValue)")
    case .detailedIntegrations: .api("/integrations/detailed")
    }
  }

  /// What the API key must allow.
  public var scope: APIKeyScope {
    switch self {
    case .generateWidgetSession, .widgetSession, .authenticateUser, .generateAuthToken, .authTokens: .sessionsWrite
    case .deauthenticateUser: .connectionsWrite
    case .userInfo, .subscriptions, .bulkUserInfo, .integrations, .detailedIntegrations: .connectionsRead
    }
  }

  /// Finds what a request asks for.
  ///
  /// Repeated slashes count as one, because one of Terra's clients doubles them where its base URL ends with one. Nothing
  /// else is normalised: a path with dots, escapes or parameters is no path of Terra's.
  ///
  /// - Parameters:
  ///   - method: the request's method.
  ///   - path: the path behind `/terra`, as it came, without the query.
  public init?(method: String, path: String) {
    let normalised = "/" + path.split(separator: "/").joined(separator: "/")
    guard let found = Self.allCases.first(where: { $0.method == method && $0.path == normalised })
    else { return nil }
    self = found
  }
}
