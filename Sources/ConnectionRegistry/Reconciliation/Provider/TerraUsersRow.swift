import RegistryModel
import RegistryPostgres

/// A row of `terra_users`, as far as it can be used. Pure.
struct TerraUsersRow: Sendable, Hashable {
  let userID: String
  let referenceID: String?
  let resource: String?
  let scopes: String?
  /// Whether Terra has the connection as alive; nil where the row does not say.
  let isActive: Bool?

  /// Nil where the row names no connection that the registry could know.
  init?(userID: String?, referenceID: String?, resource: String?, scopes: String?, state: String?) {
    guard let userID = userID.flatMap({ try? UserID($0) }) else { return nil }
    self.userID = userID.rawValue
    self.referenceID = referenceID.flatMap { try? ReferenceID($0) }?.rawValue
    self.resource = resource.flatMap { try? Resource($0) }?.rawValue
    self.scopes = scopes
    switch state?.lowercased() {
    case "active": isActive = true
    case "deauth", "user_reauth", "access_revoked": isActive = false
    default: isActive = nil
    }
  }

  init?(row: PostgresRow) throws {
    self.init(
      userID: try row.decodeIfPresent("user_id"), referenceID: try row.decodeIfPresent("reference_id"),
      resource: try row.decodeIfPresent("resource"), scopes: try row.decodeIfPresent("scopes"),
      state: try row.decodeIfPresent("state"))
  }
}
