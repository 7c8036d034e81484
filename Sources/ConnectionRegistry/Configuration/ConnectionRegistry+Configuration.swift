public import Configuration
package import Foundation

extension ConnectionRegistry {
  /// How a registry is set up.
  public struct Configuration: Sendable {
    /// Where PostgreSQL is, as a libpq connection string or URL; empty leaves it to libpq's own `PG*`.
    public var databaseURL: String
    /// Under which URL browsers and Terra reach the service, without a path.
    public var publicURL: String
    /// The keys that seal secrets.
    public var masterKeys: MasterKeyRing
    /// How many connections to PostgreSQL at most for what may take long: lists, callbacks' verdicts, comparisons. Two
    /// more at most serve across tenants.
    public var maximumConnections = 8
    /// How many connections the short reads of all requests share; their writes share as many. With 0 there is neither,
    /// and each call has a connection of those above to itself: for one that asks once and ends, and for Citus, where a
    /// transaction must not touch several tenants.
    public var laneConnections = 2
    /// Whether statements are prepared under a name; off for poolers in transaction mode.
    public var preparesStatements = true
    /// Whether a connection is kept on which PostgreSQL tells readers of the change feed that there is something new, once
    /// there is such a reader; off for poolers in transaction mode, where readers look once a second instead.
    public var listens = true
    /// How often each tenant is reconciled; nil leaves that to whoever calls.
    public var reconcileEvery: Duration? = .seconds(900)
    /// How often the schedule asks for Terra's listing of a tenant's connections, where the tenant says nothing; nil is
    /// never.
    public var providerEvery: Duration? = .seconds(6 * 3_600)
    /// How many questions a run asks Terra in a second at most.
    public var terraQuestionsPerSecond = 5.0
    /// How many tenants the schedule has under way at once in this process: one is compared, and while others wait for Terra,
    /// which holds no connection to PostgreSQL, the next one is.
    public var tenantsAtOnce = 4
    /// Whether ``ConnectionRegistry/run()`` reconciles the tenants that are due; several processes may, they share the work.
    /// Off for one that asks once and ends.
    public var runsSchedule = true
    /// How long a missing event or callback is waited for, where the tenant says nothing.
    public var grace: Duration = .seconds(600)
    /// How long a session lives, where the tenant says nothing; nil is what Terra says.
    public var sessionExpiry: Duration?
    /// How old a signed event may be, where the tenant says nothing.
    public var horizon: Duration = .seconds(48 * 3_600)
    /// How long deliveries may all be rejected before that is a finding, where the tenant says nothing.
    public var signatureFailingAfter: Duration = .seconds(600)
    /// How long a call to Terra may take.
    public var terraDeadline: Duration = .seconds(10)
    /// How deliveries to tenants' endpoints are sent.
    public var deliveries = DeliveryConfiguration()
    /// The present moment by this process's clock. What is recorded bears the database's.
    package var now: @Sendable () -> Date = { Date() }
    /// Waits until Terra may be asked again.
    package var pause: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

    /// Sets a registry up with defaults.
    ///
    /// - Parameters:
    ///   - databaseURL: where PostgreSQL is; empty leaves it to libpq's own `PG*`.
    ///   - publicURL: under which URL browsers and Terra reach the service, such as `https://registry.example`.
    ///   - masterKeys: the keys that seal secrets.
    public init(databaseURL: String, publicURL: String, masterKeys: MasterKeyRing) {
      self.databaseURL = databaseURL
      self.publicURL = publicURL
      self.masterKeys = masterKeys
    }

    /// Sets a registry up from settings; in the environment each key is upper-cased after `REGISTRY_`.
    ///
    /// | key | type | default |
    /// |---|---|---|
    /// | `database.url` | libpq connection string or URL | libpq's own `PG*` |
    /// | `public.url` | URL without a path | `http://127.0.0.1:8080` |
    /// | `master.keys` | 32-byte keys in base64, separated by commas | required |
    /// | `database.connections` | 1 to 1000 | 8 |
    /// | `database.lanes` | 0 to 64 | 2 |
    /// | `database.prepare` | `true`, `false` | `true` |
    /// | `database.listen` | `true`, `false` | `true`, but `false` where `database.prepare` is |
    /// | `reconcile.every` | duration from a second on, or `off` | `15m` |
    /// | `reconcile.tenants` | tenants under way at once in a process, 1 to 64 | 4 |
    /// | `reconcile.provider.every` | duration from a minute on, or `off` | `6h` |
    /// | `reconcile.provider.rate` | questions to Terra in a second about a tenant, 1 to 100 | 5 |
    /// | `reconcile.grace` | duration (`5s`, `10m`, `48h`) | `10m` |
    /// | `session.expiry` | duration | what Terra says |
    /// | `event.horizon` | duration | `48h` |
    /// | `signature.failing.after` | duration | `10m` |
    /// | `terra.deadline` | duration | `10s` |
    /// | `deliveries` | `on`, `off` | `on` |
    /// | `delivery.allow` | ranges of addresses and host names, separated by commas | public addresses only |
    /// | `delivery.deadline` | duration | `15s` |
    /// | `delivery.first.retry` | duration | `5s` |
    /// | `delivery.lease` | duration of more than twice the deadline | `60s` |
    /// | `delivery.retention` | duration | `30d` |
    ///
    /// - Parameter reader: the settings, scoped to the registry.
    /// - Throws: ``RegistryError`` of code `invalid_request` with the setting's name and what it takes.
    public init(reader: ConfigReader) throws {
      guard let keys = reader.string(forKey: "master.keys", isSecret: true) else {
        throw RegistryError.invalid(
          "REGISTRY_MASTER_KEYS", "is not set: 32 random bytes in base64, as `openssl rand -base64 32` makes them")
      }
      self.init(
        databaseURL: reader.string(forKey: "database.url", isSecret: true) ?? "",
        publicURL: try Self.publicURL(reader.string(forKey: "public.url") ?? "http://127.0.0.1:8080"),
        masterKeys: try MasterKeyRing(keys))
      maximumConnections = try Self.number(reader, "database.connections", in: 1...1_000) ?? maximumConnections
      laneConnections = try Self.number(reader, "database.lanes", in: 0...64) ?? laneConnections
      preparesStatements = try Self.flag(reader, "database.prepare") ?? preparesStatements
      listens = try Self.flag(reader, "database.listen") ?? preparesStatements
      reconcileEvery = try Self.interval(reader, "reconcile.every", from: .seconds(1), else: reconcileEvery)
      tenantsAtOnce = try Self.number(reader, "reconcile.tenants", in: 1...64) ?? tenantsAtOnce
      providerEvery = try Self.interval(reader, "reconcile.provider.every", from: .seconds(60), else: providerEvery)
      terraQuestionsPerSecond =
        try Self.number(reader, "reconcile.provider.rate", in: 1...100).map(Double.init) ?? terraQuestionsPerSecond
      grace = try Self.duration(reader, "reconcile.grace") ?? grace
      sessionExpiry = try Self.duration(reader, "session.expiry")
      horizon = try Self.duration(reader, "event.horizon") ?? horizon
      signatureFailingAfter = try Self.duration(reader, "signature.failing.after") ?? signatureFailingAfter
      terraDeadline = try Self.duration(reader, "terra.deadline") ?? terraDeadline
      deliveries = try Self.deliveries(reader)
    }

    private static func deliveries(_ reader: ConfigReader) throws -> DeliveryConfiguration {
      var settings = DeliveryConfiguration()
      if let text = reader.string(forKey: "deliveries") {
        guard let flag = ["on": true, "off": false][text.lowercased()] else {
          throw RegistryError.invalid("REGISTRY_DELIVERIES", "takes on or off")
        }
        settings.areSent = flag
      }
      if let text = reader.string(forKey: "delivery.allow") { settings.allowed = try DestinationPolicy(text) }
      settings.deadline = try duration(reader, "delivery.deadline") ?? settings.deadline
      settings.firstRetry = try duration(reader, "delivery.first.retry") ?? settings.firstRetry
      settings.lease = try duration(reader, "delivery.lease") ?? max(settings.lease, settings.deadline * 4)
      settings.retention = try duration(reader, "delivery.retention") ?? settings.retention
      guard settings.lease > settings.deadline * 2 else {
        throw RegistryError.invalid("REGISTRY_DELIVERY_LEASE", "takes more than twice REGISTRY_DELIVERY_DEADLINE")
      }
      return settings
    }

    private static func number(_ reader: ConfigReader, _ key: String, in range: ClosedRange<Int>) throws -> Int? {
      guard let text = reader.string(forKey: ConfigKey(key)) else { return nil }
      guard let number = Int(text), range.contains(number) else {
        throw RegistryError.invalid(
          variable(key), "takes a whole number from \(range.lowerBound) to \(range.upperBound)")
      }
      return number
    }

    private static func flag(_ reader: ConfigReader, _ key: String) throws -> Bool? {
      guard let text = reader.string(forKey: ConfigKey(key)) else { return nil }
      guard let flag = ["true": true, "false": false][text.lowercased()] else {
        throw RegistryError.invalid(variable(key), "takes true or false")
      }
      return flag
    }

    private static func variable(_ key: String) -> String { "REGISTRY_" + key.uppercased().replacing(".", with: "_") }

    private static func duration(_ reader: ConfigReader, _ key: String) throws -> Duration? {
      guard let text = reader.string(forKey: ConfigKey(key)) else { return nil }
      guard let duration = Duration(setting: text) else {
        throw RegistryError.invalid(variable(key), "takes a duration above zero, such as 500ms, 5s, 10m, 48h or 3d")
      }
      return duration
    }

    /// How often something is done; nil where it is off.
    private static func interval(
      _ reader: ConfigReader, _ key: String, from least: Duration, else known: Duration?
    ) throws -> Duration? {
      guard let text = reader.string(forKey: ConfigKey(key)) else { return known }
      if text.lowercased() == "off" { return nil }
      guard let duration = Duration(setting: text), duration >= least else {
        throw RegistryError.invalid(variable(key), "takes a duration of at least \(least), such as 15m or 6h, or off")
      }
      return duration
    }

    private static func publicURL(_ text: String) throws -> String {
      guard let url = URL(string: text), let scheme = url.scheme, ["http", "https"].contains(scheme), url.host != nil,
        url.query == nil, url.fragment == nil, url.user == nil
      else {
        throw RegistryError.invalid("REGISTRY_PUBLIC_URL", "takes a URL such as https://registry.example")
      }
      return text.hasSuffix("/") ? String(text.dropLast()) : text
    }

    var timing: Timing {
      Timing(
        grace: grace, sessionExpiry: sessionExpiry, horizon: horizon, signatureFailingAfter: signatureFailingAfter,
        now: now)
    }
  }
}

extension Duration {
  /// Reads a duration as settings write it: a number and one of `ms`, `s`, `m`, `h`, `d`.
  ///
  /// - Parameter text: such as `500ms`, `5s`, `10m`, `48h`, `3d`; from a millisecond to ten years.
  package init?(setting text: String) {
    let units = ["ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400]
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard let number = Double(digits), let unit = units[String(text.dropFirst(digits.count))],
      number * unit >= 0.001, number * unit <= 3_650 * 86_400
    else { return nil }
    self = .milliseconds(Int64((number * unit * 1_000).rounded()))
  }
}
