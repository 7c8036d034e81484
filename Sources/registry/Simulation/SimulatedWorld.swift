import ConnectionRegistry
import Foundation
import Logging
import TerraSandbox

/// One world: a stand-in for Terra, the browsers of its app users, and what the registry makes of them.
struct SimulatedWorld: Sendable {
  let plan: SimulationPlan
  let stage: SimulationStage
  let sandbox: Sandbox
  let browser: SandboxBrowser
  /// When the story begins.
  let start: Date

  /// Runs a stand-in for as long as a closure runs, with the tenants of a plan in it and in the registry.
  ///
  /// - Parameters:
  ///   - plan: what happens.
  ///   - stage: the registry.
  ///   - logger: gets problems of the stand-in.
  ///   - body: uses it.
  /// - Returns: what the closure returns.
  /// - Throws: what the closure throws, and why the world cannot be made.
  static func with<Value: Sendable>(
    _ plan: SimulationPlan, stage: SimulationStage, logger: Logger,
    _ body: @escaping @Sendable (SimulatedWorld) async throws -> Value
  ) async throws -> Value {
    var configuration = SandboxConfiguration(
      environments: plan.tenants.map { tenant in
        var environment = SandboxEnvironment(
          slug: tenant.slug, webhookURL: stage.url + "/webhooks/terra/" + tenant.slug, generation: tenant.generation)
        environment.listingPageSize = tenant.pageSize
        return environment
      }, thresholds: SimulationSettings.thresholds, faults: plan.faults)
    configuration.recordsAnswers = true
    let sandbox = try Sandbox(configuration: configuration, clock: stage.clock, logger: logger)
    return try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask {
        try await sandbox.run()
        return nil
      }
      group.addTask {
        let terra = "http://127.0.0.1:\(try await sandbox.boundPort())"
        for tenant in plan.tenants {
          _ = try await stage.registry.tenants.create(Self.tenant(tenant, terra: terra))
        }
        // A browser that waits would wait for a clock that waits for the browser.
        return try await SandboxBrowser.with(
          sandbox: sandbox, settings: BrowserSettings(givesUpAfter: 0, connectionsPerHost: 2)
        ) { browser in
          try await body(
            SimulatedWorld(
              plan: plan, stage: stage, sandbox: sandbox, browser: browser, start: stage.clock.now()))
        }
      }
      defer { group.cancelAll() }
      while let ended = try await group.next() {
        if let ended { return ended }
      }
      throw CancellationError()
    }
  }

  private static func tenant(_ tenant: SimulationPlan.Tenant, terra: String) -> NewTenant {
    let environment = SandboxEnvironment(slug: tenant.slug)
    let isLegacy = tenant.generation == .legacy
    return NewTenant(
      slug: tenant.slug, environment: "testing", devID: environment.devID, terraAPIKey: environment.apiKey,
      signingSecret: environment.signingSecret, terraBaseURL: terra + (isLegacy ? "/v2" : "/api/v2"),
      terraWidgetURL: terra + (isLegacy ? "/v2/auth/generateWidgetSession" : "/api/widget/session"),
      returnURLs: [SimulationSettings.returnURL], grace: .seconds(SimulationSettings.grace),
      sessionExpiry: .seconds(SimulationSettings.sessionExpiry), horizon: .seconds(SimulationSettings.horizon),
      signatureFailingAfter: .seconds(SimulationSettings.signatureFailingAfter))
  }

  // MARK: Time

  /// Lets everything happen that happens up to a moment, each thing at its own.
  ///
  /// - Parameter moment: the time that it is afterwards.
  /// - Throws: `PostgresError`, `CancellationError`.
  func letPass(to moment: Date) async throws {
    while true {
      try await stage.clock.waitUntil { sandbox.pendingWork - sandbox.followingWork == stage.clock.waitingCount }
      await stage.registry.settle()
      guard let next = stage.clock.nextDeadline, next <= moment else { break }
      try await stage.jump(to: next)
    }
    try await stage.jump(to: moment)
  }

  /// Lets everything happen that is still to happen at Terra.
  ///
  /// - Throws: `PostgresError`, `CancellationError`.
  func letAllPass() async throws {
    repeat {
      try await letPass(to: stage.clock.now())
      if let next = stage.clock.nextDeadline { try await stage.jump(to: next) }
    } while sandbox.pendingWork > 0
  }

  // MARK: People

  /// Connections that were there before anybody began a session.
  func raisePillars() async throws {
    for tenant in plan.tenants {
      for number in 0..<tenant.pillars {
        try await sandbox.connectOutsideSession(
          tenant: tenant.slug, referenceID: "pillar-\(number)",
          resource: SimulationPlan.resources[number % SimulationPlan.resources.count])
      }
    }
  }

  /// One person's attempt, from the team's session to the way back.
  ///
  /// - Parameter attempt: who connects what, and what becomes of it.
  /// - Returns: what is to be done long after.
  /// - Throws: `RegistryError`, `SandboxBrowserError`.
  func perform(_ attempt: SimulationPlan.Attempt) async throws -> Later? {
    let slug = plan.tenants[attempt.tenant].slug
    var new = NewAuthSession(
      referenceID: attempt.referenceID, success: SimulationSettings.successURL, failure: SimulationSettings.failureURL)
    switch attempt.way {
    case .direct(let resource): new.resource = resource
    case .widget: break
    case .several: new.multiAuth = true
    }
    let session = try await stage.registry.sessions.open(tenant: slug, new)
    guard let page = session.authURL, let made = await sandbox.attempt(loginURL: page), let success = made.successURL
    else { throw DemoError("A session of \(slug) leads to no login page of the stand-in.") }
    await sandbox.ledger.append(
      .session(
        .init(
          tenant: slug, sessionID: session.sessionID.text,
          attemptTokenSHA256: CallbackURL(success).tokenSHA256, expiresAt: session.expiresAt.timeIntervalSince1970,
          referenceID: session.referenceID, resource: session.resource, isMultiAuth: session.multiAuth,
          at: stage.clock.now().timeIntervalSince1970)))
    let visit: BrowserVisit
    switch attempt.way {
    case .direct: visit = try await browser.visit(page)
    case .widget(let resource): visit = try await browser.visit(page, picking: resource)
    case .several(let resources): visit = try await browser.visit(page, pickingAll: resources)
    }
    return attempt.afterwards.map { Later(slug: slug, page: page, visit: visit, act: $0) }
  }

  /// What a team is told where Terra answers nothing that says anything.
  private static let troubles: Set<RegistryError.Code> = [.terraRateLimited, .terraUnavailable, .terraAnswerUnusable]

  /// Something that a person or a team does long after an attempt.
  struct Later: Sendable {
    let slug: String
    let page: String
    let visit: BrowserVisit
    let act: SimulationPlan.Afterwards
  }

  /// Does what is done long after an attempt, if it still can be.
  func perform(_ later: Later) async throws {
    switch later.act {
    case .backButton:
      var visit = later.visit
      guard let arrival = visit.arrivals.first(where: { $0.fault == nil }) else { return }
      try await browser.repeatArrival(arrival, of: &visit)
    case .deauthenticated:
      guard let userID = await sandbox.attempt(loginURL: later.page)?.userIDs.last else { return }
      do {
        _ = try await stage.registry.connections.deauthenticate(tenant: later.slug, userID)
      } catch RegistryError.Code.notFound {
        // Nobody knows it any more, or nobody here ever did.
      } catch RegistryError.Code.terraCredentialsRefused {
        // Terra, in trouble, knows nobody who is alive here: its word that it does not know this one ends nothing.
      } catch let error as RegistryError where Self.troubles.contains(error.code) {
        // Terra, in trouble, could not be asked for a witness.
      }
    }
  }
}
