import Foundation

extension Sandbox {
  // MARK: Environments

  /// Adds an environment, or replaces the one with the same slug. Its connections stay.
  ///
  /// - Parameter environment: the environment.
  /// - Throws: ``SandboxConfigurationError`` when another environment has the same dev-id.
  public func put(_ environment: SandboxEnvironment) async throws {
    try await self.world.put(environment)
  }

  /// Changes an environment from now on: its webhook URL, its switches, its secret.
  ///
  /// - Parameters:
  ///   - tenant: the environment's slug.
  ///   - change: changes the environment; the slug stays what it is.
  /// - Throws: ``SandboxRefusal`` when the environment is unknown, ``SandboxConfigurationError`` when its dev-id is taken.
  public func update(tenant: String, _ change: @Sendable (inout SandboxEnvironment) -> Void) async throws {
    try await self.world.update(slug: tenant, change)
  }

  /// Signs a tenant's webhooks with a secret that the tenant does not know, or with the right one again.
  ///
  /// - Parameters:
  ///   - tenant: the environment's slug.
  ///   - isWrong: whether the secret is wrong from now on.
  /// - Throws: ``SandboxRefusal/unknownEnvironment(_:)``.
  public func signWithWrongSecret(tenant: String, _ isWrong: Bool = true) async throws {
    try await self.update(tenant: tenant) { $0.signsWithWrongSecret = isWrong }
  }

  /// The environments as they are now.
  public func environments() async -> [SandboxEnvironment] { await self.world.environments }

  // MARK: Connections

  /// Connects an account outside of any session, as an app on a phone does, and sends the `auth` webhook.
  ///
  /// - Parameters:
  ///   - tenant: the environment's slug.
  ///   - referenceID: the app user; nil names none.
  ///   - resource: the provider.
  ///   - account: names the account at the provider; nil takes the app user's usual one. The same account connected
  ///     again replaces the earlier connection.
  /// - Returns: the new `user_id`.
  /// - Throws: ``SandboxRefusal/unknownEnvironment(_:)``.
  @discardableResult
  public func connectOutsideSession(
    tenant: String, referenceID: String?, resource: String, account: String? = nil
  ) async throws -> String {
    let (userID, change) = try await self.world.connectOutsideSession(
      tenant: tenant, referenceID: referenceID, resource: resource, account: account, now: self.clock.now())
    await self.apply(change)
    return userID
  }

  /// Connects an account as an app on a phone does that was given a token.
  ///
  /// - Parameters:
  ///   - tenant: the environment's slug.
  ///   - token: the token, which is used up.
  ///   - referenceID: whom the app says it connects.
  ///   - resource: the provider.
  /// - Returns: the new `user_id`.
  /// - Throws: ``SandboxRefusal/unknownPhoneToken``, ``SandboxRefusal/foreignPhoneToken``.
  @discardableResult
  public func connectOnPhone(
    tenant: String, token: String, referenceID: String?, resource: String
  ) async throws -> String {
    try await self.world.use(phoneToken: token, tenant: tenant, referenceID: referenceID)
    return try await self.connectOutsideSession(tenant: tenant, referenceID: referenceID, resource: resource)
  }

  /// Ends a connection through Terra and sends the `deauth` webhook.
  ///
  /// - Parameters:
  ///   - tenant: the environment's slug.
  ///   - userID: the connection.
  /// - Throws: ``SandboxRefusal/unknownConnection``.
  public func deauthenticate(tenant: String, userID: String) async throws {
    await self.apply(try await self.world.deauthenticate(tenant: tenant, userID: userID, now: self.clock.now()))
  }

  /// Ends a connection at the provider: `access_revoked`, or `deauth` for Fitbit.
  ///
  /// - Parameters:
  ///   - tenant: the environment's slug.
  ///   - userID: the connection.
  /// - Throws: ``SandboxRefusal/unknownConnection``.
  public func revokeAtProvider(tenant: String, userID: String) async throws {
    await self.apply(try await self.world.revoke(tenant: tenant, userID: userID, now: self.clock.now()))
  }

  /// The provider rejects Terra's token: `connection_error`. The connection lives on.
  ///
  /// - Parameters:
  ///   - tenant: the environment's slug.
  ///   - userID: the connection.
  /// - Throws: ``SandboxRefusal/unknownConnection``.
  public func rejectToken(tenant: String, userID: String) async throws {
    await self.apply(try await self.world.fail(tenant: tenant, userID: userID))
  }

  /// The person changes the permissions: `permission_change`.
  ///
  /// - Parameters:
  ///   - tenant: the environment's slug.
  ///   - userID: the connection.
  ///   - added: scopes that are granted from now on.
  ///   - removed: scopes that are no longer granted.
  /// - Throws: ``SandboxRefusal/unknownConnection``.
  public func changePermissions(
    tenant: String, userID: String, added: [String] = [], removed: [String] = []
  ) async throws {
    await self.apply(
      try await self.world.changePermissions(tenant: tenant, userID: userID, added: added, removed: removed))
  }

  /// Sends a data webhook about a connection. A large one is made while it is sent and needs no memory.
  ///
  /// - Parameters:
  ///   - tenant: the environment's slug.
  ///   - userID: the connection.
  ///   - type: the event's type: `daily`, `activity`, `body`, `sleep` …
  ///   - size: the least size of the body, in bytes.
  ///   - namesLast: whether `type` and `user` stand behind the data instead of before it.
  /// - Throws: ``SandboxRefusal/unknownConnection``.
  public func sendData(
    tenant: String, userID: String, type: String = "daily", size: Int = 1_000, namesLast: Bool = false
  ) async throws {
    guard let environment = await self.world.environment(slug: tenant),
      let connection = await self.world.connection(tenant: tenant, userID: userID), connection.isAuthenticated
    else { throw SandboxRefusal.unknownConnection }
    let body = WebhookBody.measurements(
      type: type, user: connection.object(environment.generation), size: size, namesLast: namesLast)
    let event = WebhookEvent(kind: .data, connection: connection)
    await self.emit(.init(tenant: tenant, event: event), body: body, type: type, environment: environment)
  }

  // MARK: Progress

  /// How many webhooks and later acts are not finished, those included that wait for their time or a retry.
  public var pendingWork: Int { self.dispatcher.pending }

  /// How many of these wait for the first try of another webhook; the others are under way, or wait for the clock.
  public var followingWork: Int { self.dispatcher.following }

  /// Returns when every webhook is answered with 2xx or given up and nothing more is to happen.
  ///
  /// It also returns when the task is cancelled. Work that is left when ``run()`` ends is never finished.
  public func waitUntilIdle() async { await self.dispatcher.waitUntilIdle() }

  /// The attempt behind a login page.
  ///
  /// - Parameter loginURL: the `auth_url` or the widget's `url`.
  /// - Returns: the attempt with its plan; nil when the URL is none of the sandbox's.
  public func attempt(loginURL: String) async -> Attempt? {
    let path = loginURL.split(separator: "?").first ?? ""
    return await self.world.attempt(flow: path.split(separator: "/").last.map(String.init) ?? "")
  }
}
