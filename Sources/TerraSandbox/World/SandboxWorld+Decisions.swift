import Foundation

extension SandboxWorld {
  /// The person grants access.
  ///
  /// - Parameters:
  ///   - attemptID: the attempt.
  ///   - picked: the provider that the person picked; a direct attempt has its own.
  ///   - now: the present moment.
  /// - Returns: the webhooks, what happens later, and the redirect.
  /// - Throws: when the attempt is unknown, expired or decided, or the provider is unknown.
  func approve(attemptID: String, picked: String?, now: Date) throws(SandboxRefusal) -> WorldChange {
    var attempt = try self.undecided(attemptID, now: now)
    let resource = try self.resource(of: attempt, picked: picked)
    if ProviderCatalogue.mobileOnly.contains(resource) {
      return try self.handOver(attemptID: attemptID, picked: resource, now: now)
    }
    let tenant = attempt.tenant
    let userID = attempt.userIDs.isEmpty ? attempt.preissuedUserID ?? identifier() : identifier()
    let story = attempt.plan.fault(in: .connection)
    var change = WorldChange()
    let account = try self.setScene(for: story, attempt: attempt, resource: resource, now: now, into: &change)
    var made = try self.connect(
      tenant: tenant, userID: userID, referenceID: attempt.referenceID, resource: resource, account: account,
      widgetSessionID: attempt.terraSessionID, attemptID: attemptID, now: now)
    self.addStrangeReauth(story, to: &made.reauths, auth: made.auth)
    change.records += made.2
    attempt.decision = .approved
    attempt.userIDs.append(userID)
    self.attempts[attemptID] = attempt
    change.records.append(self.outcome(attempt, .approved, userID: userID, now: now))
    self.arrange(auth: made.auth, reauths: made.reauths, plan: attempt.plan, into: &change)
    self.addFollowUps(story, attempt: attempt, userID: userID, into: &change)
    change.redirect = self.redirect(attempt, userID: userID, resource: resource)
    return change
  }

  /// The person refuses.
  func deny(attemptID: String, picked: String?, now: Date) throws(SandboxRefusal) -> WorldChange {
    var attempt = try self.undecided(attemptID, now: now)
    let resource = (try? self.resource(of: attempt, picked: picked)) ?? "GARMIN"
    let userID = attempt.preissuedUserID ?? identifier()
    self.connections[attempt.tenant]?[userID] = nil
    attempt.decision = .denied
    self.attempts[attemptID] = attempt
    let reason = attempt.plan.choose("reason", from: ["auth_cancelled", "access_denied", "missing_scopes"])
    let stub = TerraConnection(
      userID: userID, referenceID: attempt.referenceID, resource: resource, scopes: "", isActive: false,
      isAuthenticated: false, createdAt: now, lastWebhookUpdate: nil, account: "")
    let event = WebhookEvent(
      kind: .authFailure, connection: stub, referenceID: attempt.referenceID,
      widgetSessionID: attempt.terraSessionID, reason: reason, flowID: identifier())
    return WorldChange(
      records: [self.outcome(attempt, .denied, userID: nil, now: now)],
      orders: [.init(tenant: attempt.tenant, event: event, attemptID: attemptID)],
      redirect: Redirect(
        isSuccess: false, target: attempt.failureURL, userID: userID, referenceID: attempt.referenceID,
        resource: resource, reason: reason))
  }

  /// The person picks a provider that only a phone can connect: the success URL, although nothing is connected.
  func handOver(attemptID: String, picked: String, now: Date) throws(SandboxRefusal) -> WorldChange {
    var attempt = try self.undecided(attemptID, now: now)
    attempt.decision = .handedOver
    self.attempts[attemptID] = attempt
    return WorldChange(
      records: [self.outcome(attempt, .handedOver, userID: nil, now: now)],
      redirect: Redirect(
        isSuccess: true, target: attempt.successURL, userID: nil, referenceID: attempt.referenceID,
        resource: picked))
  }

  /// The person closes the page.
  func abandon(attemptID: String, now: Date) throws(SandboxRefusal) -> WorldChange {
    var attempt = try self.undecided(attemptID, now: now)
    attempt.decision = .abandoned
    self.attempts[attemptID] = attempt
    return WorldChange(records: [self.outcome(attempt, .abandoned, userID: nil, now: now)])
  }

  /// Ends a session in which several providers could be connected: the redirect of the last one.
  func finish(attemptID: String) throws(SandboxRefusal) -> WorldChange {
    guard let attempt = self.attempts[attemptID], attempt.isMultiAuth, let userID = attempt.userIDs.last else {
      throw .unknownAttempt
    }
    let resource = self.connection(tenant: attempt.tenant, userID: userID)?.resource ?? "GARMIN"
    return WorldChange(redirect: self.redirect(attempt, userID: userID, resource: resource))
  }

  // MARK: Parts

  private func undecided(_ attemptID: String, now: Date) throws(SandboxRefusal) -> Attempt {
    guard let attempt = self.attempts[attemptID] else { throw .unknownAttempt }
    guard now < attempt.expiresAt else { throw .expired }
    guard attempt.decision == nil || (attempt.isMultiAuth && attempt.decision == .approved) else {
      throw .alreadyDecided
    }
    return attempt
  }

  private func resource(of attempt: Attempt, picked: String?) throws(SandboxRefusal) -> String {
    let resource = attempt.resource ?? picked?.uppercased() ?? attempt.providers.first ?? ""
    guard (ProviderCatalogue.web + ProviderCatalogue.mobileOnly).contains(resource) else {
      throw .unknownResource(resource)
    }
    return resource
  }

  /// Makes the connections that the story takes for granted.
  ///
  /// - Returns: the provider account that the person uses.
  private func setScene(
    for story: SandboxFault?, attempt: Attempt, resource: String, now: Date, into change: inout WorldChange
  ) throws(SandboxRefusal) -> String {
    let usual = attempt.referenceID.map(Self.account) ?? "attempt:\(attempt.attemptID)"
    let tenant = attempt.tenant
    let hasUsual = self.connections[tenant]?.holders(resource: resource, account: usual).isEmpty == false
    func before(_ referenceID: String?, _ account: String?) throws(SandboxRefusal) {
      let made = try self.connectOutsideSession(
        tenant: tenant, referenceID: referenceID, resource: resource, account: account, now: now)
      change.records += made.change.records
      change.orders += made.change.orders
    }
    switch story {
    case .reauthAuthFirst, .reauthReauthFirst, .reauthLost:
      if !hasUsual { try before(attempt.referenceID, usual) }
      return usual
    case .secondAccount:
      if !hasUsual { try before(attempt.referenceID, usual) }
      return "second:\(attempt.attemptID)"
    case .sharedAccount:
      let shared = "shared:\(attempt.attemptID)"
      try before("other-\(attempt.attemptID)", shared)
      return shared
    case .noReference:
      try before(nil, nil)
      return usual
    default: return usual
    }
  }

  /// A `user_reauth` whose old side tells nothing.
  private func addStrangeReauth(
    _ story: SandboxFault?, to reauths: inout [WorldChange.EmissionOrder], auth: WorldChange.EmissionOrder
  ) {
    guard story == .reauthUnknownOld || story == .reauthNullOld, let connection = auth.event.connection else { return }
    var old: TerraConnection?
    if story == .reauthUnknownOld {
      old = TerraConnection(
        userID: identifier(), referenceID: connection.referenceID, resource: connection.resource,
        scopes: connection.scopes, isActive: false, isAuthenticated: true, createdAt: connection.createdAt,
        lastWebhookUpdate: nil, account: connection.account)
    }
    reauths.append(
      .init(
        tenant: auth.tenant, event: WebhookEvent(kind: .userReauth, connection: connection, oldConnection: old),
        attemptID: auth.attemptID))
  }

  /// Decides when which webhook goes out, by the plan.
  private func arrange(
    auth: WorldChange.EmissionOrder, reauths: [WorldChange.EmissionOrder], plan: AttemptPlan,
    into change: inout WorldChange
  ) {
    var auth = auth
    // Between two webhooks that belong together; where the grace is minutes, nobody wants to wait for a part of it.
    let pause = min(2, self.thresholds.delayBelowGrace(plan.draw("pause")) / 2)
    let authFirst =
      plan.has(.reauthAuthFirst) || plan.has(.reauthLost)
      || (!plan.has(.reauthReauthFirst) && plan.draw("pair") < 0.5)
    let signal = StartupSignal<Void>()
    if authFirst {
      auth.announces = signal
    } else if !reauths.isEmpty {
      auth.follows = signal
      auth.holdBack = pause
    }
    switch plan.fault(in: .webhook) {
    case .webhookDropped: auth.isDropped = true
    case .webhookDuplicated: auth.copies = [.init(hasFreshTraceID: false, holdBack: pause)]
    case .webhookDuplicatedNewTrace: auth.copies = [.init(hasFreshTraceID: true, holdBack: pause)]
    case .webhookReordered:
      let longest = 0.7 * self.thresholds.grace
      auth.holdBack = min(longest, max(0.5 * self.thresholds.grace, 1.5 * self.faults.followDelay))
    case .webhookDelayedSeconds: auth.holdBack = self.thresholds.delayBelowGrace(plan.draw("delay"))
    case .webhookDelayedHours: auth.holdBack = self.thresholds.delayPastGrace(plan.draw("delay"))
    case .webhookPastHorizon: auth.holdBack = self.thresholds.delayPastHorizon(plan.draw("delay"))
    case .webhookWrongSecret: auth.hasWrongSecret = true
    default: break
    }
    change.orders.append(auth)
    for (index, var reauth) in reauths.enumerated() {
      if authFirst {
        reauth.follows = signal
        reauth.holdBack = pause
        reauth.isDropped = plan.has(.reauthLost)
      } else if index == 0 {
        reauth.announces = signal
      }
      change.orders.append(reauth)
    }
  }

  private func addFollowUps(
    _ story: SandboxFault?, attempt: Attempt, userID: String, into change: inout WorldChange
  ) {
    func later(_ act: WorldChange.FollowUp.Act) {
      change.followUps.append(
        .init(
          tenant: attempt.tenant, userID: userID, act: act, delay: self.faults.followDelay,
          attemptID: attempt.attemptID))
    }
    switch story {
    case .providerRevocation: later(.revoke)
    case .deauthentication: later(.deauthenticate)
    case .deauthenticationLost: later(.deauthenticateUnheard)
    case .connectionError: later(.connectionError)
    case .permissionChange: later(.permissionChange)
    case .secondReference: later(.secondReference("other-\(attempt.attemptID)"))
    default: if attempt.plan.has(.webhookReordered) { later(.permissionChange) }
    }
  }

  private func redirect(_ attempt: Attempt, userID: String, resource: String) -> Redirect {
    var redirect = Redirect(
      isSuccess: true, target: attempt.successURL, userID: userID, referenceID: attempt.referenceID,
      resource: resource)
    switch attempt.plan.fault(in: .redirect) {
    case .redirectAlteredReference: redirect.referenceID = "altered-\(attempt.attemptID)"
    case .redirectAlteredResource: redirect.resource = ProviderCatalogue.other(than: resource, plan: attempt.plan)
    case .redirectAlteredUser: redirect.userID = identifier()
    case .redirectFailureAfterSuccess:
      redirect.isSuccess = false
      redirect.target = attempt.failureURL
      redirect.reason = "access_denied"
    default: break
    }
    return redirect
  }

  private func outcome(
    _ attempt: Attempt, _ decision: LedgerRecord.Outcome.Decision, userID: String?, now: Date
  ) -> LedgerRecord {
    .outcome(
      .init(
        attemptID: attempt.attemptID, tenant: attempt.tenant, outcome: decision, userID: userID,
        at: now.timeIntervalSince1970))
  }
}
