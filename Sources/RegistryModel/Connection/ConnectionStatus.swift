/// The state of a connection, as a view of what is known about it (``ConnectionRegisters/status``).
public enum ConnectionStatus: String, Sendable, Hashable, CaseIterable, Codable {
  /// Named, for instance by a session, but never seen alive.
  case pending
  /// Authenticated, and Terra receives its data.
  case active
  /// Authenticated, but the provider refused Terra's last request: the app user may need to connect again.
  case degraded
  /// The attempt to authenticate failed.
  case failed
  /// Ended at the provider, or found gone at Terra.
  case revoked
  /// Ended through Terra.
  case deauthenticated
  /// Ended because the same account was authenticated again, under another `user_id`.
  case superseded

  /// Whether the connection is active or degraded.
  public var isLive: Bool { self == .active || self == .degraded }

  /// Whether the connection ended: revoked, deauthenticated or superseded.
  public var isEnded: Bool { self == .revoked || self == .deauthenticated || self == .superseded }
}
