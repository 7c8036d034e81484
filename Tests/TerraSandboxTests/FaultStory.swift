import TerraSandbox
import Testing

/// What one attempt with one fault left behind.
struct FaultStory: Sendable {
  let visit: BrowserVisit
  let records: [LedgerRecord]
  /// The bodies' types in the order of arrival.
  let arrivals: [String]

  var attempt: LedgerRecord.Attempt? {
    self.records.compactMap { if case .attempt(let attempt) = $0 { attempt } else { nil } }.first
  }
  var emissions: [LedgerRecord.Emission] {
    self.records.compactMap { if case .emission(let emission) = $0 { emission } else { nil } }
  }
  var deliveries: [LedgerRecord.Delivery] {
    self.records.compactMap { if case .delivery(let delivery) = $0 { delivery } else { nil } }
  }
  var callbacks: [LedgerRecord.Callback] {
    self.records.compactMap { if case .callback(let callback) = $0 { callback } else { nil } }
  }
  var outcomes: [LedgerRecord.Outcome] {
    self.records.compactMap { if case .outcome(let outcome) = $0 { outcome } else { nil } }
  }
  /// The `auth` of the attempt itself, first sending.
  var auth: LedgerRecord.Emission? {
    self.emissions.first {
      $0.eventKind == "auth_success" && $0.attemptID == self.attempt?.attemptID && $0.duplicateOf == nil
    }
  }
  /// How late the attempt's `auth` was answered, in seconds.
  var lateness: Double? {
    guard let auth, let delivery = self.deliveries.first(where: { $0.emissionID == auth.emissionID }) else {
      return nil
    }
    return delivery.at - auth.at
  }

  func live(tenant: String = "acme") -> [LedgerRecord.Connection] {
    var live: [String: LedgerRecord.Connection] = [:]
    for case .connection(let connection) in self.records where connection.tenant == tenant {
      live[connection.userID] = connection.isLive ? connection : nil
    }
    return Array(live.values)
  }

  /// Lets one app user make one attempt.
  static func tell(
    _ fault: SandboxFault?, kind: AttemptKind = .direct, generation: SandboxGeneration = .access,
    slugs: [String] = ["acme"], clock: any SandboxClock = JumpingClock(), seed: UInt64 = 1, grace: Double = 0.5,
    registry: RegistryDouble = RegistryDouble()
  ) async throws -> FaultStory {
    let settings = FaultSettings(seed: seed, rates: fault.map { [$0: 1] } ?? [:], followDelay: 0.1)
    let collected = Collected()
    try await withStage(
      slugs: slugs, generation: generation, faults: settings,
      thresholds: SandboxThresholds(grace: grace, expiry: 2 * grace, horizon: 12 * grace), clock: clock,
      registry: registry
    ) { stage in
      let url = try await stage.begin(kind)
      let visit = try await SandboxBrowser.with(sandbox: stage.sandbox) { try await $0.visit(url, picking: "OURA") }
      await stage.sandbox.waitUntilIdle()
      await collected.take(stage.sandbox.ledger.records(), visit: visit)
    }
    return FaultStory(
      visit: try #require(await collected.visit), records: await collected.records,
      arrivals: registry.received.compactMap(\.type))
  }
}
