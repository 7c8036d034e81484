import Foundation

/// What a phone's token lets it do, once.
private struct PhoneToken {
  var tenant: String
  /// Whom it may connect; nil where the app says so itself.
  var referenceID: String?
}

/// Terra's side of the truth: environments, attempts, accounts and connections.
///
/// It changes its state and says what follows from it; it sends nothing and waits for nothing.
actor SandboxWorld {
  private(set) var environments: [SandboxEnvironment]
  var attempts: [String: Attempt] = [:]
  var attemptsByFlow: [String: String] = [:]
  var connections: [String: ConnectionShelf] = [:]
  var calls: [String: [ReceivedCall]] = [:]
  var scripted: [String: [ScriptedAnswer]] = [:]
  private var phoneTokens: [String: PhoneToken] = [:]
  private var ordinals: [String: [String?: Int]] = [:]
  let thresholds: SandboxThresholds
  let faults: FaultSettings

  init(configuration: SandboxConfiguration) {
    self.environments = configuration.environments
    self.thresholds = configuration.thresholds
    self.faults = configuration.faults
  }

  // MARK: Environments

  func environment(slug: String) -> SandboxEnvironment? {
    self.environments.first { $0.slug == slug }
  }

  func environment(devID: String) -> SandboxEnvironment? {
    self.environments.first { $0.devID == devID }
  }

  /// The environment behind another one, round and round; nil where there is only one.
  func neighbour(of slug: String) -> SandboxEnvironment? {
    guard self.environments.count > 1, let index = self.environments.firstIndex(where: { $0.slug == slug })
    else { return nil }
    return self.environments[(index + 1) % self.environments.count]
  }

  func put(_ environment: SandboxEnvironment) throws(SandboxConfigurationError) {
    let others = self.environments.filter { $0.slug != environment.slug }
    guard !others.contains(where: { $0.devID == environment.devID }) else {
      throw SandboxConfigurationError(setting: "environments", reason: "two environments have the same dev_id")
    }
    if let index = self.environments.firstIndex(where: { $0.slug == environment.slug }) {
      self.environments[index] = environment
    } else {
      self.environments.append(environment)
    }
  }

  func update(slug: String, _ change: @Sendable (inout SandboxEnvironment) -> Void) throws {
    guard var environment = self.environment(slug: slug) else { throw SandboxRefusal.unknownEnvironment(slug) }
    change(&environment)
    environment.slug = slug
    try self.put(environment)
  }

  // MARK: Phones

  func keep(phoneToken: String, tenant: String, referenceID: String?) {
    self.phoneTokens[phoneToken] = PhoneToken(tenant: tenant, referenceID: referenceID)
  }

  /// Takes a token for one app user; it is used up with that, and stays where it is another's.
  func use(phoneToken: String, tenant: String, referenceID: String?) throws(SandboxRefusal) {
    guard let token = self.phoneTokens[phoneToken], token.tenant == tenant else { throw .unknownPhoneToken }
    guard token.referenceID == nil || token.referenceID == referenceID else { throw .foreignPhoneToken }
    self.phoneTokens[phoneToken] = nil
  }

  // MARK: Attempts

  func attempt(id: String) -> Attempt? { self.attempts[id] }

  func attempt(flow: String) -> Attempt? { self.attemptsByFlow[flow].flatMap { self.attempts[$0] } }

  /// Begins an attempt.
  func open(_ request: Attempt.Request, tenant: String, now: Date) throws(SandboxRefusal) -> (Attempt, WorldChange) {
    guard let environment = self.environment(slug: tenant) else { throw .unknownEnvironment(tenant) }
    if let resource = request.resource {
      if ProviderCatalogue.mobileOnly.contains(resource) { throw .mobileOnly(resource) }
      if !ProviderCatalogue.web.contains(resource) { throw .unknownResource(resource) }
    }
    if let cap = environment.userCap, self.connections[tenant]?.authenticatedCount ?? 0 >= cap {
      throw .userLimitReached
    }
    let ordinal = self.ordinals[tenant, default: [:]][request.referenceID, default: 0]
    self.ordinals[tenant, default: [:]][request.referenceID] = ordinal + 1
    let attempt = Attempt(
      attemptID: identifier(), tenant: tenant, kind: request.kind, referenceID: request.referenceID,
      resource: request.resource, providers: request.providers, successURL: request.successURL,
      failureURL: request.failureURL, flow: identifier(),
      terraSessionID: request.kind == .widget ? identifier() : nil,
      preissuedUserID: request.kind == .direct ? identifier() : nil, isMultiAuth: request.isMultiAuth,
      plan: AttemptPlan(
        settings: self.faults, tenant: tenant, referenceID: request.referenceID, ordinal: ordinal,
        kind: request.kind),
      expiresAt: now.addingTimeInterval(request.lifetime))
    self.attempts[attempt.attemptID] = attempt
    self.attemptsByFlow[attempt.flow] = attempt.attemptID
    if let userID = attempt.preissuedUserID, let resource = attempt.resource {
      self.connections[tenant, default: ConnectionShelf()][userID] = TerraConnection(
        userID: userID, referenceID: attempt.referenceID, resource: resource, scopes: "", isActive: false,
        isAuthenticated: false, createdAt: now, lastWebhookUpdate: nil, account: "")
    }
    var record = attempt.record
    record.at = now.timeIntervalSince1970
    return (attempt, WorldChange(records: [.attempt(record)]))
  }

  // MARK: Connections

  func connection(tenant: String, userID: String) -> TerraConnection? { self.connections[tenant]?[userID] }

  /// The authenticated connections of a tenant, oldest first.
  func authenticated(tenant: String) -> [TerraConnection] {
    self.connections[tenant]?.authenticated ?? []
  }

  func setReference(tenant: String, userID: String, referenceID: String?) -> TerraConnection? {
    self.connections[tenant]?[userID]?.referenceID = referenceID
    return self.connection(tenant: tenant, userID: userID)
  }

  func noteWebhook(tenant: String, userID: String, at moment: Date) {
    self.connections[tenant]?[userID]?.lastWebhookUpdate = moment
  }

  func setActive(tenant: String, userID: String, isActive: Bool) -> TerraConnection? {
    self.connections[tenant]?[userID]?.isActive = isActive
    return self.connection(tenant: tenant, userID: userID)
  }
}

/// A fresh random id, written as Terra writes ids.
func identifier() -> String { UUID().uuidString.lowercased() }
