/// An event about a connection, as Terra would tell it. The two generations write it differently.
package struct WebhookEvent: Sendable {
  /// What the event says.
  package enum Kind: String, Sendable {
    case authSuccess = "auth_success"
    case authFailure = "auth_failure"
    case userReauth = "user_reauth"
    case deauthentication
    case accessRevoked = "access_revoked"
    case connectionError = "connection_error"
    case permissionChange = "permission_change"
    case data
  }

  let kind: Kind
  /// `user`, or `new_user` of a re-authentication.
  var connection: TerraConnection?
  /// `old_user` of a re-authentication.
  var oldConnection: TerraConnection?
  /// The `reference_id` of a failure, which names no connection in the newer generation.
  var referenceID: String?
  var widgetSessionID: String?
  var reason: String?
  var flowID: String?
  var scopesAdded = ""
  var scopesRemoved = ""

  /// Describes an event.
  package init(
    kind: Kind, connection: TerraConnection? = nil, oldConnection: TerraConnection? = nil, referenceID: String? = nil,
    widgetSessionID: String? = nil, reason: String? = nil, flowID: String? = nil, scopesAdded: String = "",
    scopesRemoved: String = ""
  ) {
    self.kind = kind
    self.connection = connection
    self.oldConnection = oldConnection
    self.referenceID = referenceID
    self.widgetSessionID = widgetSessionID
    self.reason = reason
    self.flowID = flowID
    self.scopesAdded = scopesAdded
    self.scopesRemoved = scopesRemoved
  }

  /// The event's `type` in a generation.
  func type(_ generation: SandboxGeneration) -> String {
    switch self.kind {
    case .authSuccess: "auth"
    case .authFailure: generation == .legacy ? "auth" : "auth_cancelled"
    case .userReauth: "user_reauth"
    case .deauthentication: "deauth"
    case .accessRevoked: "access_revoked"
    case .connectionError: "connection_error"
    case .permissionChange: "permission_change"
    case .data: "daily"
    }
  }

  /// The event's `status`.
  var status: String {
    switch self.kind {
    case .authSuccess, .deauthentication, .data: "success"
    case .authFailure: "error"
    case .userReauth, .accessRevoked, .connectionError, .permissionChange: "warning"
    }
  }

  /// The body with its members in the order in which Terra's own examples show them.
  package func body(_ generation: SandboxGeneration) -> JSONValue {
    typealias Member = JSONValue.Member
    let legacy = generation == .legacy
    var members = [Member("type", .string(self.type(generation))), Member("status", .string(self.status))]
    let user = self.connection?.object(generation) ?? .null
    let version = Member("version", "2022-03-16")
    switch self.kind {
    case .authSuccess where legacy:
      members += [
        Member("widget_session_id", .text(self.widgetSessionID)), Member("user", user),
        Member("reference_id", .text(self.connection?.referenceID)),
        Member("message", "User has successfully authenticated"), version,
      ]
    case .authSuccess:
      members += [
        Member("message", "User has successfully authenticated"),
        Member("widget_session_id", .text(self.widgetSessionID)), Member("user", user),
      ]
    case .authFailure where legacy:
      members += [
        Member("user", self.connection?.stub ?? .null), Member("provider", .text(self.connection?.resource)),
        Member("message", "User failed to authenticate and has been deleted"), Member("reason", .text(self.reason)),
        Member("reference_id", .text(self.referenceID)), Member("widget_session_id", .text(self.widgetSessionID)),
        version,
      ]
    case .authFailure:
      members += [
        Member("flow_id", .text(self.flowID)), Member("reason", .text(self.reason)),
        Member("reference_id", .text(self.referenceID)),
      ]
    case .userReauth:
      members += [
        Member("message", "User has reauthenticated and old ID has been deleted"), version,
        Member("new_user", user), Member("old_user", self.oldConnection?.object(generation) ?? .null),
      ]
    case .deauthentication:
      members += [Member("message", "User has deauthenticated"), Member("user", user)] + (legacy ? [version] : [])
    case .accessRevoked:
      members += [Member("message", "User revoked access"), Member("user", user)] + (legacy ? [version] : [])
    case .connectionError where legacy:
      members += [Member("message", "User connection degraded"), Member("user", user), version]
    case .connectionError:
      let message =
        "Connection degraded: the provider rejected Terra's access token; the user may need to reauthenticate"
      members += [Member("message", .string(message)), Member("user", user)]
    case .permissionChange:
      members += [
        Member("message", "User permissions have been modified"), version,
        Member("scopes_added", .string(self.scopesAdded)), Member("scopes_removed", .string(self.scopesRemoved)),
        Member("user", user),
      ]
    case .data:
      members += [Member("user", user), version]
    }
    return .object(members)
  }
}
