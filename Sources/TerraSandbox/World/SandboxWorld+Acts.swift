import Foundation

extension SandboxWorld {
  /// Adds an authenticated connection and ends those that it replaces.
  ///
  /// - Returns: the ledger's lines, the `auth` and one `user_reauth` for each connection that was replaced.
  func connect(
    tenant: String, userID: String, referenceID: String?, resource: String, account: String,
    widgetSessionID: String? = nil, attemptID: String? = nil, now: Date
  ) throws(SandboxRefusal) -> (auth: WorldChange.EmissionOrder, reauths: [WorldChange.EmissionOrder], [LedgerRecord]) {
    guard let environment = self.environment(slug: tenant) else { throw .unknownEnvironment(tenant) }
    let connection = TerraConnection(
      userID: userID, referenceID: referenceID, resource: resource, scopes: TerraConnection.defaultScopes,
      isActive: true, isAuthenticated: true, createdAt: now, lastWebhookUpdate: nil, account: account)
    let holders = self.connections[tenant]?.holders(resource: resource, account: account) ?? []
    let replaced = holders.filter { old in
      old.userID != userID && (environment.generation == .legacy || old.referenceID == referenceID)
    }
    self.connections[tenant, default: ConnectionShelf()][userID] = connection
    var records = [self.record(connection, tenant: tenant, isLive: true, now: now)]
    let auth = WorldChange.EmissionOrder(
      tenant: tenant,
      event: WebhookEvent(kind: .authSuccess, connection: connection, widgetSessionID: widgetSessionID),
      attemptID: attemptID)
    var reauths: [WorldChange.EmissionOrder] = []
    for var old in replaced {
      self.connections[tenant]?[old.userID] = nil
      // One that was revoked before has ended already.
      if old.isActive { records.append(self.record(old, tenant: tenant, isLive: false, now: now)) }
      old.isActive = false
      reauths.append(
        WorldChange.EmissionOrder(
          tenant: tenant, event: WebhookEvent(kind: .userReauth, connection: connection, oldConnection: old),
          attemptID: attemptID))
    }
    return (auth, reauths, records)
  }

  /// A connection made outside of any session: on a phone, or before the story begins.
  func connectOutsideSession(
    tenant: String, referenceID: String?, resource: String, account: String?, now: Date
  ) throws(SandboxRefusal) -> (userID: String, change: WorldChange) {
    let userID = identifier()
    let made = try self.connect(
      tenant: tenant, userID: userID, referenceID: referenceID, resource: resource,
      account: account ?? referenceID.map(Self.account) ?? userID, now: now)
    return (userID, WorldChange(records: made.2, orders: [made.auth] + made.reauths))
  }

  /// Ends a connection through Terra.
  func deauthenticate(tenant: String, userID: String, now: Date) throws(SandboxRefusal) -> WorldChange {
    guard var connection = self.connections[tenant]?.removeValue(forKey: userID) else { throw .unknownConnection }
    // One that was never authenticated is forgotten without a word.
    guard connection.isAuthenticated else { return WorldChange() }
    var change = WorldChange()
    if connection.isActive { change.records.append(self.record(connection, tenant: tenant, isLive: false, now: now)) }
    connection.isActive = false
    change.orders.append(
      .init(tenant: tenant, event: WebhookEvent(kind: .deauthentication, connection: connection)))
    return change
  }

  /// Ends a connection at the provider. Fitbit's notice is forwarded as a deauthentication.
  func revoke(tenant: String, userID: String, now: Date) throws(SandboxRefusal) -> WorldChange {
    guard var connection = self.connection(tenant: tenant, userID: userID), connection.isAuthenticated
    else { throw .unknownConnection }
    if connection.resource == "FITBIT" {
      return try self.deauthenticate(tenant: tenant, userID: userID, now: now)
    }
    var change = WorldChange()
    if connection.isActive { change.records.append(self.record(connection, tenant: tenant, isLive: false, now: now)) }
    connection.isActive = false
    self.connections[tenant]?[userID] = connection
    change.orders.append(.init(tenant: tenant, event: WebhookEvent(kind: .accessRevoked, connection: connection)))
    return change
  }

  /// The provider rejects Terra's token; the connection lives on.
  func fail(tenant: String, userID: String) throws(SandboxRefusal) -> WorldChange {
    guard let connection = self.connection(tenant: tenant, userID: userID), connection.isAuthenticated
    else { throw .unknownConnection }
    return WorldChange(orders: [
      .init(tenant: tenant, event: WebhookEvent(kind: .connectionError, connection: connection))
    ])
  }

  /// The person changes the permissions.
  func changePermissions(
    tenant: String, userID: String, added: [String], removed: [String]
  ) throws(SandboxRefusal) -> WorldChange {
    guard var connection = self.connection(tenant: tenant, userID: userID), connection.isAuthenticated
    else { throw .unknownConnection }
    let kept = connection.scopes.split(separator: ",").map(String.init).filter { !removed.contains($0) }
    connection.scopes = (kept + added.filter { !kept.contains($0) }).joined(separator: ",")
    self.connections[tenant]?[userID] = connection
    var event = WebhookEvent(kind: .permissionChange, connection: connection)
    event.scopesAdded = added.joined(separator: ",")
    event.scopesRemoved = removed.joined(separator: ",")
    return WorldChange(orders: [.init(tenant: tenant, event: event)])
  }

  /// Another `auth` event of the same connection names another app user.
  func repeatAuthentication(
    tenant: String, userID: String, referenceID: String, now: Date
  ) throws(SandboxRefusal) -> WorldChange {
    guard var connection = self.connection(tenant: tenant, userID: userID), connection.isAuthenticated
    else { throw .unknownConnection }
    connection.referenceID = referenceID
    self.connections[tenant]?[userID] = connection
    return WorldChange(
      records: [self.record(connection, tenant: tenant, isLive: connection.isActive, now: now)],
      orders: [.init(tenant: tenant, event: WebhookEvent(kind: .authSuccess, connection: connection))])
  }

  /// Does what was to happen later. A connection that has ended in between is left alone.
  func perform(_ followUp: WorldChange.FollowUp, now: Date) -> WorldChange {
    let (tenant, userID) = (followUp.tenant, followUp.userID)
    let change: WorldChange?
    switch followUp.act {
    case .revoke: change = try? self.revoke(tenant: tenant, userID: userID, now: now)
    case .deauthenticate: change = try? self.deauthenticate(tenant: tenant, userID: userID, now: now)
    case .deauthenticateUnheard:
      change = try? self.deauthenticate(tenant: tenant, userID: userID, now: now)
    case .connectionError: change = try? self.fail(tenant: tenant, userID: userID)
    case .permissionChange:
      change = try? self.changePermissions(tenant: tenant, userID: userID, added: ["BODY_EXPORT"], removed: [])
    case .secondReference(let referenceID):
      change = try? self.repeatAuthentication(tenant: tenant, userID: userID, referenceID: referenceID, now: now)
    }
    var result = change ?? WorldChange()
    for index in result.orders.indices {
      result.orders[index].attemptID = followUp.attemptID
      if case .deauthenticateUnheard = followUp.act { result.orders[index].isDropped = true }
    }
    return result
  }

  /// The account that an app user has at every provider unless a story says otherwise.
  static func account(_ referenceID: String) -> String { "person:" + referenceID }

  private func record(
    _ connection: TerraConnection, tenant: String, isLive: Bool, now: Date
  ) -> LedgerRecord {
    .connection(
      .init(
        tenant: tenant, userID: connection.userID, isLive: isLive, referenceID: connection.referenceID,
        resource: connection.resource, at: now.timeIntervalSince1970))
  }
}
