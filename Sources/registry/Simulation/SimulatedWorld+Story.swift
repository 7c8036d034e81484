import ConnectionRegistry
import Foundation
import TerraSandbox

extension SimulatedWorld {
  /// Something that happens at a moment of its own.
  private enum Event {
    case attempt(SimulationPlan.Attempt)
    case later(Later)
    case rotation(String)
    case round(SimulationPlan.Round)
  }

  /// How long after an attempt something is done about it, in seconds: its session has expired.
  private static let later = 2 * SimulationSettings.sessionExpiry

  /// Lets the whole story happen: people connect amid errors, everything is compared again and again, the errors cease, and
  /// what is safe to repair is repaired.
  ///
  /// - Parameter account: writes down what is found.
  /// - Throws: what the registry throws.
  func play(_ account: SimulationAccount) async throws {
    try await raisePillars()
    var agenda: [(at: Date, event: Event)] = []
    func add(_ event: Event, at seconds: Double) { agenda.append((start.addingTimeInterval(seconds), event)) }
    for attempt in plan.attempts { add(.attempt(attempt), at: attempt.at) }
    for round in plan.rounds { add(.round(round), at: round.at) }
    for tenant in plan.tenants {
      if let seconds = tenant.rotatedAt { add(.rotation(tenant.slug), at: seconds) }
    }
    while let index = agenda.indices.min(by: { agenda[$0].at < agenda[$1].at }) {
      let (at, event) = agenda.remove(at: index)
      try await letPass(to: at)
      switch event {
      case .attempt(let attempt):
        if let later = try await perform(attempt) { add(.later(later), at: attempt.at + Self.later) }
      case .later(let later): try await perform(later)
      case .rotation(let slug): try await sandbox.signWithWrongSecret(tenant: slug)
      case .round(let round):
        if round.isLate { try await letAllPass() }
        try await measure()
        try await reconcile(round, account)
      }
    }
    try await ceaseErrors()
    // The first may end a listing that was begun amid the errors; the two after it are whole. The last also sees what
    // follows from repairs, such as a connection that is alive again beside another one.
    for number in 1...3 {
      try await letPass(to: stage.clock.now().addingTimeInterval(SimulationSettings.betweenPasses))
      try await measure()
      for tenant in plan.tenants {
        let run = try await stage.registry.reconciliations.run(tenant: tenant.slug, asksProvider: true, repair: .safe)
        await account.note(run, mustFindNothingNew: false)
      }
      if number == 3 { try await account.settle(self) } else { try await account.look(self) }
    }
    for isFull in [false, true] {
      try await letPass(to: stage.clock.now().addingTimeInterval(SimulationSettings.betweenPasses))
      try await measure()
      for tenant in plan.tenants {
        let run = try await stage.registry.reconciliations.run(tenant: tenant.slug, isFull: isFull, asksProvider: true)
        await account.note(run, mustFindNothingNew: true)
      }
      try await account.look(self)
    }
    try await account.end(self)
  }

  /// Sends data about every connection that lives at Terra, in a world whose people wear their devices: it says that they
  /// live, and changes nothing about what must be found.
  private func measure() async throws {
    guard plan.hasData else { return }
    for tenant in plan.tenants {
      for connection in await sandbox.ledger.liveConnections(tenant: tenant.slug) {
        try await sandbox.sendData(tenant: tenant.slug, userID: connection.userID)
      }
    }
    try await letPass(to: stage.clock.now())
  }

  /// Reconciles all tenants, and writes down what is found or what has become of the connections.
  private func reconcile(_ round: SimulationPlan.Round, _ account: SimulationAccount) async throws {
    for (number, tenant) in plan.tenants.enumerated() {
      try await trouble(tenant, with: round.troubles[number], round.userInfoFaults[number])
      let run = try await stage.registry.reconciliations.run(
        tenant: tenant.slug, isFull: round.isFull, asksProvider: round.asksProvider[number],
        repair: round.repairs ? .safe : .none)
      await account.note(run, mustFindNothingNew: false)
    }
    if round.repairs {
      try await account.look(self)
    } else {
      try await account.compare(self, everything: round.isFull)
    }
  }

  /// Makes what Terra answers a tenant wrong from now on, or right again.
  private func trouble(
    _ tenant: SimulationPlan.Tenant, with trouble: SimulationPlan.Trouble?, _ userInfoFault: UserInfoFault?
  ) async throws {
    let neighbour = plan.tenants.first { $0.slug != tenant.slug }?.slug
    try await sandbox.update(tenant: tenant.slug) { environment in
      environment.listingFault = nil
      environment.userInfoFault = userInfoFault
      environment.answersAs = nil
      environment.answersSinglyAs = nil
      switch trouble {
      case .listing(let fault): environment.listingFault = fault
      case .wrongKey: environment.answersAs = neighbour
      case .listingAndKey(let fault):
        environment.listingFault = fault
        environment.answersSinglyAs = neighbour
      case nil: break
      }
    }
  }

  private func ceaseErrors() async throws {
    for tenant in plan.tenants {
      try await trouble(tenant, with: nil, nil)
      try await sandbox.signWithWrongSecret(tenant: tenant.slug, false)
    }
  }
}
