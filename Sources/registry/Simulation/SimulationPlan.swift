import TerraSandbox

/// What happens in one simulated world: a pure function of the seed.
struct SimulationPlan: Sendable, Hashable {
  /// A team that takes part.
  struct Tenant: Sendable, Hashable {
    /// The tenant's slug.
    let slug: String
    /// Which of Terra's generations its environment speaks.
    let generation: SandboxGeneration
    /// How many connections stand on one page of its listing.
    let pageSize: Int
    /// How many connections were there before the story begins.
    let pillars: Int
    /// From which moment on its webhooks are signed with a secret that it does not know; nil for never.
    let rotatedAt: Double?
  }

  /// What is wrong with what Terra answers.
  enum Trouble: Sendable, Hashable {
    /// The listing.
    case listing(ListingFault)
    /// Everything: the key is that of another environment.
    case wrongKey
    /// The listing, and behind it the key is changed for that of another environment.
    case listingAndKey(ListingFault)
  }

  /// A moment at which all tenants are reconciled.
  struct Round: Sendable, Hashable {
    /// When, in seconds after the beginning.
    let at: Double
    /// What is wrong then, tenant by tenant; nil for nothing.
    let troubles: [Trouble?]
    /// What is wrong with Terra's answers about single connections, tenant by tenant; nil for nothing.
    let userInfoFaults: [UserInfoFault?]
    /// Whether Terra's listing is asked for, tenant by tenant.
    let asksProvider: [Bool]
    /// Whether everything is examined again.
    let isFull: Bool
    /// Whether what is safe to repair is repaired.
    let repairs: Bool
    /// Whether everything that is under way at Terra has come to its end before.
    let isLate: Bool
  }

  /// How a person connects.
  enum Way: Sendable, Hashable {
    /// One provider, with a `user_id` in advance.
    case direct(String)
    /// The person picks the provider.
    case widget(String)
    /// The person connects several in one session.
    case several([String])
  }

  /// What becomes of an attempt beside the faults that the sandbox draws.
  enum Afterwards: Sendable, Hashable {
    /// The team ends the connection through the registry.
    case deauthenticated
    /// The browser comes again, long after the session.
    case backButton
  }

  /// An attempt to connect.
  struct Attempt: Sendable, Hashable {
    /// The number of the tenant.
    let tenant: Int
    /// The app user; nil for one whose session names nobody.
    let referenceID: String?
    let way: Way
    /// When, in seconds after the beginning.
    let at: Double
    let afterwards: Afterwards?
  }

  let seed: UInt64
  let tenants: [Tenant]
  let attempts: [Attempt]
  let faults: FaultSettings
  /// The comparisons and repairs while the errors go on.
  let rounds: [Round]

  /// Whether data comes in about what lives, before each round.
  let hasData: Bool

  /// How many rounds are held against what must be found: those before the first repair.
  var comparisons: Int { rounds.firstIndex { $0.repairs } ?? rounds.count }

  /// Draws a world.
  ///
  /// - Parameter seed: the same seed gives the same world.
  init(seed: UInt64) {
    var generator = DemoGenerator(seed: seed)
    func draw(_ range: Range<Double>) -> Double { Double.random(in: range, using: &generator) }
    func happens(_ rate: Double) -> Bool { draw(0..<1) < rate }
    self.seed = seed
    // Every third world has one tenant whose secret is rotated at Terra only.
    let rotated = happens(0.35) ? Int.random(in: 0..<Self.tenantCount, using: &generator) : nil
    let slugs = (0..<Self.tenantCount).map { "s\(seed)-\(["harbor", "meadow", "summit"][$0])" }
    tenants = slugs.enumerated().map { number, slug in
      Tenant(
        slug: slug, generation: Bool.random(using: &generator) ? .legacy : .access,
        pageSize: Int.random(in: 1...6, using: &generator),
        pillars: happens(0.2)
          ? Int.random(in: 15...30, using: &generator) : Int.random(in: 1...9, using: &generator),
        rotatedAt: rotated == number ? draw(0..<Self.trafficSeconds) : nil)
    }
    var attempts: [Attempt] = []
    for tenant in 0..<Self.tenantCount {
      for number in 0..<Int.random(in: 3...13, using: &generator) {
        // Some app users connect twice: another device, or the same one again.
        let person = happens(0.25) && number > 0 ? Int.random(in: 0..<number, using: &generator) : number
        let picks = (0..<3).map { _ in Self.resources[Int.random(in: Self.resources.indices, using: &generator)] }
        let way: Way =
          happens(0.45)
          ? .direct(picks[0])
          : happens(0.2) ? .several(Array(Set(picks)).sorted()) : .widget(picks[0])
        attempts.append(
          Attempt(
            tenant: tenant, referenceID: happens(0.06) ? nil : "person-\(person)", way: way,
            at: draw(0..<Self.trafficSeconds),
            afterwards: happens(0.08) ? .deauthenticated : happens(0.06) ? .backButton : nil))
      }
    }
    self.attempts = attempts.sorted { $0.at < $1.at }
    // Half of the worlds are repaired while people connect, half of the others while only Terra's listing is in trouble.
    let calm = Self.amidTraffic.count + Self.afterTraffic.count
    // The first comparison is always held against what must be found.
    let repairsFrom = happens(0.5) ? Int.random(in: 1..<calm, using: &generator) : calm
    let amidTraffic = Self.amidTraffic.map { $0 + draw(0..<1_800) }
    let more = (0..<Int.random(in: 0...4, using: &generator)).map {
      (Self.afterTraffic.last ?? 0) + SimulationSettings.betweenPasses * Double($0 + 1)
    }
    let troubled = (0..<Self.tenantCount).map { _ in happens(0.75) }
    // Where Terra has lost so few that they may end without a person looking, all that it says agrees.
    let isLarge = tenants.map { $0.pillars > 15 }
    let losing = isLarge.map { $0 && happens(0.5) }
    var trouble: [Trouble?] = troubled.map { _ in nil }
    let doubtful = (0..<Self.tenantCount).map { _ in happens(0.5) }
    rounds = (amidTraffic + Self.afterTraffic + more).enumerated().map { number, at in
      for tenant in trouble.indices {
        if losing[tenant], number >= Self.amidTraffic.count {
          trouble[tenant] = .listing(.lostPart)
        } else if case .listing(let fault) = trouble[tenant], happens(0.5) {
          // What was wrong mostly still is; and then the key is changed.
          if happens(0.4) { trouble[tenant] = .listingAndKey(fault) }
        } else {
          let faults = ListingFault.allCases.filter { $0 != .lostPart || isLarge[tenant] }
          let fault = faults[Int.random(in: faults.indices, using: &generator)]
          let isNow = troubled[tenant] && happens(0.6)
          trouble[tenant] = !isNow ? nil : happens(0.1) ? .wrongKey : .listing(fault)
        }
      }
      return Round(
        at: at,
        troubles: trouble,
        userInfoFaults: doubtful.map {
          $0 && happens(0.5) ? UserInfoFault.allCases.randomElement(using: &generator) : nil
        },
        // The first comparisons are of what is recorded alone, and so is the one of everything.
        asksProvider: troubled.map { _ in number > 0 && number != calm - 1 && (number >= calm - 3 || happens(0.6)) },
        isFull: number == calm - 1, repairs: number >= repairsFrom, isLate: number >= Self.amidTraffic.count)
    }
    let combines = happens(0.6)
    let all = SandboxFault.allCases
    // In worlds of single faults most attempts have one.
    let rates = all.map { fault in
      (fault, combines ? (fault.group == .person ? 0.04 : draw(0.03..<0.14)) : 0.85 / Double(all.count))
    }
    faults = FaultSettings(
      seed: seed, rates: Dictionary(uniqueKeysWithValues: rates), combines: combines, followDelay: draw(60..<400))
    hasData = happens(0.6)
  }

  /// How many tenants take part.
  static let tenantCount = 3
  /// Within what time people connect, in seconds.
  static let trafficSeconds = 6.0 * 3_600
  /// Few, so that people meet one provider twice.
  static let resources = ["FITBIT", "GARMIN", "OURA", "POLAR", "WHOOP"]
  /// The moments of the comparisons while people connect, in seconds; each a little later by lot.
  private static let amidTraffic = [4_500.0, 11_000, 19_000]
  /// The moments of those after all that comes late has come.
  private static let afterTraffic = [200_000.0, 202_000, 203_000]
}
