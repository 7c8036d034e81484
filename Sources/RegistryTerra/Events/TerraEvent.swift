public import RegistryModel

/// One webhook of Terra's about authentication, of either generation of its API.
///
/// Fields that the registry does not use stay in the raw body, which the caller keeps.
public struct TerraEvent: Sendable, Hashable {
  /// What an event is, as far as the registry is concerned.
  public enum Kind: String, Sendable, Hashable, CaseIterable, Codable {
    /// `auth` with status `success`.
    case authSuccess
    /// `auth` with status `error`, or `auth_cancelled`.
    case authFailure
    /// `user_reauth`: a connection took the place of an older one.
    case userReauth
    /// `deauth`.
    case deauthentication
    /// `access_revoked`.
    case accessRevoked
    /// `connection_error`.
    case connectionError
    /// `permission_change`.
    case permissionChange
    /// About a connection, but of a type or status that the registry does not know: to be kept, not acted upon.
    case unknownAuthLike
    /// Health data, or a notice about Terra's own work: not to be kept.
    case data

    /// Whether the event becomes an auth event.
    public var isAuthentication: Bool { self != .unknownAuthLike && self != .data }
  }

  /// The event's `type`, as it came.
  public let type: String
  /// The event's `status`.
  public let status: String?
  /// What the event is.
  public let kind: Kind
  /// The connection that the event is about: `user`, or `new_user` of a `user_reauth`.
  public let connection: TerraUser?
  /// The connection that a `user_reauth` replaces; nil when Terra names none, or the same one.
  public let oldConnection: TerraUser?
  /// The event's own `reference_id`, beside that of the connection.
  public let topLevelReferenceID: String?
  /// The `reference_id` that counts: the connection's, else that of the old connection, else the event's own.
  public let referenceID: String?
  /// The provider: the connection's, else the event's own.
  public let resource: Resource?
  /// Why an authentication failed, in Terra's free text.
  public let reason: String?
  /// Terra's sentence about the event.
  public let message: String?
  /// The id of the flow (newer generation); no answer of the API returns it.
  public let flowID: String?
  /// The id of the widget session (up to 1,024 bytes).
  public let widgetSessionID: String?
  /// The scopes that a `permission_change` added: evidence, not the value.
  public let scopesAdded: String?
  /// The scopes that a `permission_change` removed: evidence, not the value.
  public let scopesRemoved: String?
}
