import RegistryModel

extension TerraEvent {
  /// The longest `type`, and the longest id of a session or flow, in bytes of UTF-8.
  static let maximumTypeBytes = 256
  static let maximumSessionIDBytes = 1_024

  /// Reads the body of a webhook.
  ///
  /// Unknown members are ignored; of a repeated name the last counts. Where the type is none that the registry acts
  /// upon, only `type` and `status` must be well-formed.
  ///
  /// - Parameter body: the raw body.
  /// - Returns: the event.
  /// - Throws: ``TerraEventError``: `notJSON`; `missing` for an absent `type`, or an absent `user` (`new_user`) or its
  ///   `user_id` where the type needs it; `wrongType`, `tooLong` or `unusableText` with the name of the field.
  public static func decode(_ body: some Sequence<UInt8>) throws(TerraEventError) -> TerraEvent {
    let document: JSONValue
    do {
      document = try JSONParser.parse(body)
    } catch {
      throw TerraEventError(error)
    }
    return try decode(document)
  }

  static func decode(_ document: JSONValue) throws(TerraEventError) -> TerraEvent {
    try TerraEvent(try JSONFields(document))
  }

  private init(_ fields: JSONFields) throws(TerraEventError) {
    guard let type = try fields.text("type", limit: Self.maximumTypeBytes) else {
      throw TerraEventError(.missing, field: "type", problem: "is missing: it says what the event is")
    }
    let status = try fields.text("status", limit: Self.maximumTypeBytes)
    let kind = EventCatalogue.kind(
      type: type, status: status, hasUser: fields.hasObject("user") || fields.hasObject("new_user"),
      hasData: fields.members["data"] != nil)
    if kind.isAuthentication {
      try self.init(authentication: fields, type: type, status: status, kind: kind)
    } else {
      self.init(otherThanAuthentication: fields, type: type, status: status, kind: kind)
    }
  }

  private init(
    authentication fields: JSONFields, type: String, status: String?, kind: Kind
  ) throws(TerraEventError) {
    self.type = type
    self.status = status
    self.kind = kind
    let name = kind == .userReauth ? "new_user" : "user"
    let user = try fields.object(name)
    // A failure of the newer generation names no connection.
    guard user != nil || kind == .authFailure else {
      throw TerraEventError(
        .missing, field: name, problem: "is missing: an event of type \(type) must say which connection it is about")
    }
    let connection = try Self.user(in: user, isOptional: kind == .authFailure)
    self.connection = connection
    let old = kind == .userReauth ? try fields.object("old_user") : nil
    let oldConnection = try Self.user(in: old, isOptional: true)
    self.oldConnection = oldConnection?.userID == connection?.userID ? nil : oldConnection
    topLevelReferenceID = try fields.text("reference_id", limit: ReferenceID.maximumBytes)
    let oldReferenceID = try old?.text("reference_id", limit: ReferenceID.maximumBytes)
    referenceID = connection?.referenceID ?? oldReferenceID ?? topLevelReferenceID
    let ownResource = try TerraUser.resource(in: fields)
    let userResource = try user.map { fields throws(TerraEventError) in try TerraUser.resource(in: fields) } ?? nil
    resource = connection?.resource ?? userResource ?? ownResource
    reason = try fields.text("reason")
    message = try fields.text("message")
    flowID = try fields.text("flow_id", limit: Self.maximumSessionIDBytes)
    widgetSessionID = try fields.text("widget_session_id", limit: Self.maximumSessionIDBytes)
    scopesAdded = try fields.commaSeparated("scopes_added")
    scopesRemoved = try fields.commaSeparated("scopes_removed")
  }

  /// A `user` object; where it is optional, one without a `user_id` is none.
  private static func user(in fields: JSONFields?, isOptional: Bool) throws(TerraEventError) -> TerraUser? {
    guard let fields else { return nil }
    if isOptional, try fields.text("user_id", limit: UserID.maximumBytes) == nil { return nil }
    return try TerraUser(fields)
  }

  private init(otherThanAuthentication fields: JSONFields, type: String, status: String?, kind: Kind) {
    self.type = type
    self.status = status
    self.kind = kind
    let user = (try? fields.object("user")) ?? (try? fields.object("new_user"))
    connection = user.flatMap { try? TerraUser($0) }
    oldConnection = nil
    topLevelReferenceID = try? fields.text("reference_id", limit: ReferenceID.maximumBytes)
    referenceID = connection?.referenceID ?? topLevelReferenceID
    resource = connection?.resource
    reason = try? fields.text("reason")
    message = try? fields.text("message")
    flowID = try? fields.text("flow_id", limit: Self.maximumSessionIDBytes)
    widgetSessionID = try? fields.text("widget_session_id", limit: Self.maximumSessionIDBytes)
    scopesAdded = nil
    scopesRemoved = nil
  }
}

extension JSONFields {
  fileprivate func hasObject(_ name: String) -> Bool {
    guard case .object? = members[name] else { return false }
    return true
  }
}
