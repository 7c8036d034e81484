import TerraSandbox
import Testing

@Suite("The plan of an attempt")
struct FaultPlanTests {
  private static let rates = Dictionary(uniqueKeysWithValues: SandboxFault.allCases.map { ($0, 0.028) })

  private func plan(
    seed: UInt64 = 7, tenant: String = "acme", _ referenceID: String?, _ ordinal: Int = 0,
    kind: AttemptKind = .widget, rates: [SandboxFault: Double] = rates, combines: Bool = false
  ) -> AttemptPlan {
    AttemptPlan(
      settings: FaultSettings(seed: seed, rates: rates, combines: combines), tenant: tenant,
      referenceID: referenceID, ordinal: ordinal, kind: kind)
  }

  @Test("is the same for the same attempt, and another one for another")
  func determinism() {
    let all = (0..<500).map { self.plan("person-\($0)") }
    #expect(all == (0..<500).map { self.plan("person-\($0)") })
    #expect(all.map(\.faults) != (0..<500).map { self.plan(seed: 8, "person-\($0)").faults })
    #expect(all.map(\.faults) != (0..<500).map { self.plan(tenant: "globex", "person-\($0)").faults })
    #expect(all.map(\.faults) != (0..<500).map { self.plan("person-\($0)", 1).faults })
    #expect(self.plan("a", 11).draw("x") != self.plan("a1", 1).draw("x"))
    #expect(self.plan(nil).draw("x") != self.plan("").draw("x"))
  }

  @Test("does not depend on what else happens at the same time")
  func concurrency() async throws {
    func faults(width: Int) async throws -> [String: String?] {
      var found: [String: String?] = [:]
      let settings = FaultSettings(seed: 3, rates: Self.rates)
      let collected = Collected()
      try await withStage(faults: settings) { stage in
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in 0..<40 {
            if number >= width { try await group.next() }
            group.addTask { _ = try await stage.begin(.widget, referenceID: "person-\(number)") }
          }
          try await group.waitForAll()
        }
        await collected.take(stage.sandbox.ledger.records())
      }
      for case .attempt(let attempt) in await collected.records {
        found[attempt.referenceID ?? ""] = .some(attempt.fault)
      }
      return found
    }
    let alone = try await faults(width: 1)
    #expect(alone.count == 40)
    #expect(try await faults(width: 20) == alone)
  }

  @Test("has at most one fault, each as often as its rate says")
  func rates() {
    let attempts = 20_000
    var counts: [SandboxFault: Int] = [:]
    for number in 0..<attempts {
      let faults = self.plan("person-\(number)").faults
      #expect(faults.count <= 1)
      for fault in faults { counts[fault, default: 0] += 1 }
    }
    for fault in SandboxFault.allCases {
      let expected = 0.028 * Double(attempts)
      // Five standard deviations of a binomial distribution.
      #expect(abs(Double(counts[fault] ?? 0) - expected) < 5 * (expected * 0.97).squareRoot(), "\(fault)")
    }
  }

  @Test("has at most one fault of each group where they combine, and none beside a person's decision")
  func combinations() {
    let rates = Dictionary(uniqueKeysWithValues: SandboxFault.allCases.map { ($0, 0.2) })
    var most = 0
    for number in 0..<2_000 {
      let faults = self.plan("person-\(number)", rates: rates, combines: true).faults
      #expect(Set(faults.map(\.group)).count == faults.count)
      if faults.contains(where: { $0.group == .person }) { #expect(faults.count == 1) }
      most = max(most, faults.count)
    }
    #expect(most == 4)
  }

  @Test("never hands a direct attempt over to a phone")
  func direct() {
    for combines in [false, true] {
      for number in 0..<50 {
        let plan = self.plan("p\(number)", kind: .direct, rates: [.mobileHandover: 1], combines: combines)
        #expect(plan.faults.isEmpty)
      }
    }
  }

  @Test(
    "keeps delays a fifth away from every limit",
    arguments: [
      SandboxThresholds(grace: 5, expiry: 10, horizon: 60), SandboxThresholds(),
      SandboxThresholds(grace: 600, expiry: 86_400, horizon: 172_800),
    ])
  func delays(thresholds: SandboxThresholds) throws {
    try thresholds.validate()
    for step in 0..<1_000 {
      let draw = Double(step) / 1_000
      let below = thresholds.delayBelowGrace(draw)
      #expect(below > 0 && below <= 0.7 * thresholds.grace)
      let late = thresholds.delayPastGrace(draw)
      #expect(late >= 1.3 * thresholds.grace && late <= 0.7 * thresholds.horizon)
      // The instant of an event without an ordering timestamp may be a second later than the emission.
      #expect(late - 1 >= 1.2 * thresholds.grace)
      let past = thresholds.delayPastHorizon(draw)
      #expect(past >= 1.25 * thresholds.horizon && past <= 1.35 * thresholds.horizon)
      for delay in [below, late] { #expect(abs(delay / thresholds.expiry - 1) >= 0.2 - 1e-9) }
    }
  }

  @Test("is refused where limits or rates cannot work, with the setting's name")
  func validation() {
    #expect(throws: SandboxConfigurationError.self) { try SandboxThresholds(grace: 10, horizon: 12).validate() }
    #expect(throws: SandboxConfigurationError.self) { try SandboxThresholds(grace: 0).validate() }
    #expect(throws: SandboxConfigurationError.self) { try FaultSettings(rates: [.denial: 1.5]).validate() }
    #expect(throws: SandboxConfigurationError.self) {
      try FaultSettings(rates: [.denial: 0.6, .abandonment: 0.6]).validate()
    }
    #expect(throws: Never.self) {
      try FaultSettings(rates: [.denial: 0.6, .abandonment: 0.6], combines: true).validate()
    }
    var configuration = SandboxConfiguration(environments: [.init(slug: "a"), .init(slug: "a", devID: "b")])
    #expect(throws: SandboxConfigurationError.self) { try configuration.validate() }
    configuration.environments = []
    #expect(throws: SandboxConfigurationError.self) { try configuration.validate() }
    configuration = SandboxConfiguration(delivery: DeliverySettings(maximumTries: 0))
    let error = #expect(throws: SandboxConfigurationError.self) { try configuration.validate() }
    #expect(error?.setting == "delivery.maximum_tries")
  }
}

/// Takes what a closure in another task found out.
actor Collected {
  private(set) var records: [LedgerRecord] = []
  private(set) var visit: BrowserVisit?

  func take(_ records: [LedgerRecord], visit: BrowserVisit? = nil) {
    self.records = records
    self.visit = visit
  }
}
