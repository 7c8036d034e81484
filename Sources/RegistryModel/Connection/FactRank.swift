/// The place of a kind of fact among facts of one instant: the greater rank counts as the later.
public enum FactRank: Int, Sendable, Hashable, CaseIterable, Comparable, Codable {
  /// A data webhook.
  case data = 0
  /// A `permission_change`.
  case permissionChange = 1
  /// A `connection_error`.
  case connectionError = 2
  /// A failed authentication that names its `user_id`.
  case failure = 3
  /// A successful `auth`, or the new id of a `user_reauth`.
  case auth = 4
  /// An `access_revoked`.
  case revoked = 5
  /// A `deauth`, or our own successful deauthentication.
  case deauthenticated = 6
  /// The old id of a `user_reauth`.
  case superseded = 7
  /// What the registry itself observed.
  case correction = 8

  /// Whether `left` comes before `right`.
  public static func < (left: FactRank, right: FactRank) -> Bool { left.rawValue < right.rawValue }
}
