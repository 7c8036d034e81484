/// Which types of webhook Terra sends, and what the registry makes of each.
///
/// Sources: Terra's list of the authentication types that are really emitted (`auth`, `auth_cancelled`, `deauth`,
/// `user_reauth`, `access_revoked`, `connection_error`, `permission_change`), the event union of its OpenAPI
/// description, and the older unions of its Python clients.
enum EventCatalogue {
  /// Types that bring health data, of which the registry keeps nothing but the time.
  static let healthData: Set<String> = [
    "activity", "athlete", "biomarkers", "body", "daily", "lab_report", "menstruation", "nutrition",
    "planned_workout", "sleep",
  ]

  /// Types about Terra's own work: they say nothing about a connection, not even that data arrived.
  static let notices: Set<String> = [
    "healthcheck", "processing", "request_processing", "request_completed", "large_request_processing",
    "large_request_sending", "rate_limit_hit", "s3_payload", "s3_upload",
  ]

  /// How a type begins when it is probably about authentication, known or not.
  private static let authenticationPrefixes = ["auth", "deauth", "user", "access", "connection", "permission"]

  /// - Parameters:
  ///   - type: the event's `type`.
  ///   - status: the event's `status`, which decides only for `auth`.
  ///   - hasUser: whether `user` or `new_user` is an object.
  ///   - hasData: whether there is a member `data`.
  /// - Returns: what the event is. An `auth` of an unknown status, `google_no_datasource` (older generation), and any
  ///   unknown type that speaks of a connection without data are `unknownAuthLike`: kept, not acted upon.
  static func kind(type: String, status: String?, hasUser: Bool, hasData: Bool) -> TerraEvent.Kind {
    switch type {
    case "auth":
      switch status {
      case "success": return .authSuccess
      case "error": return .authFailure
      default: return .unknownAuthLike
      }
    case "auth_cancelled": return .authFailure
    case "user_reauth": return .userReauth
    case "deauth": return .deauthentication
    case "access_revoked": return .accessRevoked
    case "connection_error": return .connectionError
    case "permission_change": return .permissionChange
    default: break
    }
    if healthData.contains(type) || notices.contains(type) { return .data }
    let lowered = type.lowercased()
    let soundsLikeAuthentication = authenticationPrefixes.contains { lowered.hasPrefix($0) }
    return soundsLikeAuthentication || (hasUser && !hasData) ? .unknownAuthLike : .data
  }

  /// Whether an event of kind `data` shows that data of its connection arrived: a notice does not.
  static func bringsData(type: String) -> Bool {
    !notices.contains(type)
  }
}
