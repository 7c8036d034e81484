/// What kind of thing a fact says about one connection.
public enum Evidence: Sendable, Hashable {
  /// Health data arrived: no sign of life by itself, but it clears `degraded` where it is later.
  case data
  /// The scopes changed: a sign of life.
  case permissionChange
  /// The provider refused Terra: degraded, and a sign of life.
  case connectionError
  /// The attempt to authenticate failed.
  case failure
  /// Authenticated (`auth` success, or the new id of a `user_reauth`).
  case auth
  /// Access was revoked at the provider.
  case revoked
  /// Deauthenticated through Terra.
  case deauthenticated
  /// Replaced by the connection with this `user_id`.
  case superseded(by: String)
  /// The registry itself observed it.
  case correction(CorrectionVerdict)

  /// The rank of facts of this kind among facts of one instant.
  public var rank: FactRank {
    switch self {
    case .data: .data
    case .permissionChange: .permissionChange
    case .connectionError: .connectionError
    case .failure: .failure
    case .auth: .auth
    case .revoked: .revoked
    case .deauthenticated: .deauthenticated
    case .superseded: .superseded
    case .correction: .correction
    }
  }
}
