public import RegistryModel

/// One connection as Terra describes it (its `user` object): in events, and in answers of its API.
public struct TerraUser: Sendable, Hashable {
  /// The id of the connection: 1 to 256 bytes without NUL.
  public let userID: String
  /// The team's id of the app user: 1 to 1,024 bytes without NUL; nil when Terra names none.
  public let referenceID: String?
  /// The provider, in upper case.
  public let resource: Resource?
  /// The scopes granted, separated by commas.
  public let scopes: String?
  /// Whether Terra takes in data for the connection.
  public let isActive: Bool?
  /// When the connection was made, in Terra's own spelling.
  public let createdAt: String?
  /// When Terra last sent something about the connection, in Terra's own spelling.
  public let lastWebhookUpdate: String?

  /// - Throws: ``TerraEventError`` that names the field; `missing` for an absent `user_id`.
  init(_ fields: JSONFields) throws(TerraEventError) {
    guard let userID = try fields.text("user_id", limit: UserID.maximumBytes) else {
      throw TerraEventError(.missing, field: fields.path + "user_id", problem: "is missing: it names the connection")
    }
    self.userID = userID
    referenceID = try fields.text("reference_id", limit: ReferenceID.maximumBytes)
    resource = try Self.resource(in: fields)
    scopes = try fields.commaSeparated("scopes")
    isActive = try fields.bool("active")
    createdAt = try fields.text("created_at")
    lastWebhookUpdate = try fields.text("last_webhook_update")
  }

  static func resource(in fields: JSONFields) throws(TerraEventError) -> Resource? {
    guard let provider = try fields.text("provider", limit: Resource.maximumBytes) else { return nil }
    return try? Resource(provider)
  }

  /// The values that this description gives a connection's registers.
  public var attributes: ConnectionAttributes {
    ConnectionAttributes(referenceID: referenceID, resource: resource?.rawValue, scopes: scopes)
  }
}
