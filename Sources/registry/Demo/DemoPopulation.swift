import TerraSandbox

/// One app user's attempt to connect one device.
struct DemoAttempt: Sendable, Hashable {
  /// The team whose app user it is.
  let tenant: DemoTenant
  /// The app user.
  let referenceID: String
  /// The provider.
  let resource: String
  /// Whether the person picks the provider in Terra's widget; else the team asks for it.
  let usesWidget: Bool
  /// When it begins, in seconds after its part of the traffic does.
  let start: Double
  /// How many attempts this app user makes before it.
  let ordinal: Int

  /// What the sandbox is going to do with it.
  func plan(_ faults: FaultSettings) -> AttemptPlan {
    AttemptPlan(
      settings: faults, tenant: self.tenant.slug, referenceID: self.referenceID, ordinal: self.ordinal,
      kind: self.usesWidget ? .widget : .direct)
  }
}

/// Who connects what and when: a pure function of the settings.
struct DemoPopulation: Sendable {
  /// The attempts of the main traffic, in the order of their start.
  let attempts: [DemoAttempt]
  /// The faultless attempts after the secret was rotated.
  let lastAttempts: [DemoAttempt]
  /// How many app users there are.
  let appUsers: Int

  /// Draws the population.
  ///
  /// - Parameter settings: seed and numbers.
  init(_ settings: DemoSettings) {
    let faults = settings.faults
    var generator = DemoGenerator(seed: settings.seed)
    var attempts: [DemoAttempt] = []
    var number = 0
    func newcomer(_ tenant: DemoTenant, usesWidget: Bool, start: Double) -> DemoAttempt {
      number += 1
      return DemoAttempt(
        tenant: tenant, referenceID: Self.referenceID(number),
        resource: Self.resources[Int.random(in: Self.resources.indices, using: &generator)], usesWidget: usesWidget,
        start: start, ordinal: 0)
    }
    for index in 0..<settings.appUsers {
      let start = Double.random(in: 0..<settings.trafficWindow, using: &generator)
      let tenant = DemoTenant.all[index % DemoTenant.all.count]
      let first = newcomer(tenant, usesWidget: Bool.random(using: &generator), start: start)
      attempts.append(first)
      guard Double.random(in: 0..<1, using: &generator) < settings.secondDeviceRate else { continue }
      attempts.append(
        DemoAttempt(
          tenant: tenant, referenceID: first.referenceID, resource: Self.resource(after: first.resource),
          usesWidget: Bool.random(using: &generator),
          start: min(settings.trafficWindow, start + Double.random(in: 3..<6, using: &generator)), ordinal: 1))
    }
    // A small population may lack a fault: then somebody is looked for who has it.
    var present = Set(attempts.flatMap { attempt in attempt.plan(faults).faults.map { Needed($0, attempt.tenant) } })
    for fault in SandboxFault.allCases where faults.rates[fault] != nil {
      let tenants = Needed.tenants(of: fault)
      guard !tenants.contains(where: { present.contains(Needed(fault, $0)) }), let tenant = tenants.first else {
        continue
      }
      for _ in 0..<Self.searchLimit {
        let start = Double.random(in: 0..<settings.trafficWindow, using: &generator)
        let candidate = newcomer(tenant, usesWidget: true, start: start)
        guard candidate.plan(faults).has(fault) else { continue }
        attempts.append(candidate)
        present.insert(Needed(fault, tenant))
        break
      }
    }
    var last: [DemoAttempt] = []
    for tenant in DemoTenant.all {
      let wanted = tenant.rotatesSecret ? settings.appUsersAfterRotation : 1
      var found = 0
      for _ in 0..<Self.searchLimit where found < wanted {
        let candidate = newcomer(tenant, usesWidget: found % 2 == 0, start: 0)
        guard candidate.plan(faults).faults.isEmpty else { continue }
        last.append(candidate)
        found += 1
      }
    }
    self.attempts = attempts.sorted { $0.start < $1.start }
    self.lastAttempts = last
    self.appUsers = Set((attempts + last).map(\.referenceID)).count
  }

  /// The providers that take part.
  static let resources = ProviderCatalogue.web

  /// More than enough tries to find somebody with a fault of one in a hundred.
  private static let searchLimit = 20_000

  private static func referenceID(_ number: Int) -> String {
    "app-user-" + String(repeating: "0", count: max(0, 6 - String(number).count)) + String(number)
  }

  private static func resource(after resource: String) -> String {
    let index = Self.resources.firstIndex(of: resource) ?? 0
    return Self.resources[(index + 1) % Self.resources.count]
  }

  /// A fault in an environment where it makes a difference.
  private struct Needed: Hashable {
    let fault: SandboxFault
    let tenant: DemoTenant

    init(_ fault: SandboxFault, _ tenant: DemoTenant) {
      self.fault = fault
      self.tenant = tenant
    }

    /// The tenants in which a fault can show: the newer generation keeps both records of a shared account.
    static func tenants(of fault: SandboxFault) -> [DemoTenant] {
      fault == .sharedAccount ? DemoTenant.all.filter { $0.generation == .legacy } : DemoTenant.all
    }
  }
}
