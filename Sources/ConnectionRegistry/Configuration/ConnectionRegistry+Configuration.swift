public import Configuration
import Foundation

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
    /// | `reconcile.grace` | duration (`5s`, `10m`, `48h`) | `10m` |
    /// | `session.expiry` | duration | what Terra says |
    /// | `event.horizon` | duration | `48h` |
    /// | `signature.failing.after` | duration | `10m` |
    /// | `terra.deadline` | duration | `10s` |
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
      grace = try Self.duration(reader, "reconcile.grace") ?? grace
      sessionExpiry = try Self.duration(reader, "session.expiry")
      horizon = try Self.duration(reader, "event.horizon") ?? horizon
      signatureFailingAfter = try Self.duration(reader, "signature.failing.after") ?? signatureFailingAfter
      terraDeadline = try Self.duration(reader, "terra.deadline") ?? terraDeadline
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
        grace: grace, sessionExpiry: sessionExpiry, horizon: horizon, signatureFailingAfter: signatureFailingAfter)
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
