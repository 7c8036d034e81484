import CLibpq

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Where to connect: a connection string taken apart into its hosts.
///
/// libpq tries the hosts of a string in turn, but in nonblocking mode it never gives one up: a host that answers
/// nothing would keep the others from being tried. So each host is tried here by itself, under a deadline of its own.
struct ConnectionTarget: Sendable {
  /// The overrides that pick one host out of the string.
  struct Host: Sendable, Hashable {
    var host: String?
    var address: String?
    var port: String?
    /// Set where the string's own demand cannot be met host by host.
    var sessionAttributes: String?
  }

  let hosts: [Host]
  /// The `connect_timeout` of the string, per host.
  let connectTimeout: Duration?
  /// The `options` of the string.
  let options: String?
  /// What of a login the string leaves to the process's environment.
  let leftToEnvironment: [String]

  /// Takes a connection string apart.
  /// - Throws: `invalidConfiguration` when libpq cannot parse it. libpq's own words may quote a part of the password,
  ///   so they are not passed on.
  init(parsing text: String) throws(PostgresError) {
    guard !text.utf8.contains(0), let entries = PQconninfoParse(text, nil) else {
      throw PostgresError(
        .invalidConfiguration,
        "the connection string cannot be parsed: write postgres://user:password@host:port/database, with special "
          + "characters percent-encoded, or host=… port=… dbname=… user=…, with values that hold spaces in quotes")
    }
    defer { PQconninfoFree(entries) }
    var values = Self.values(entries)
    leftToEnvironment = [
      values["host"] ?? values["hostaddr"] ?? values["service"] == nil ? "host" : nil,
      values["user"] ?? values["service"] == nil ? "user" : nil,
      values["password"] ?? values["passfile"] == nil && getenv("PGPASSWORD") != nil ? "password" : nil,
    ].compactMap { $0 }
    if values["host"] == nil, values["hostaddr"] == nil, let defaults = PQconndefaults() {
      // The environment and the service file may name several hosts as well.
      values.merge(Self.values(defaults)) { given, _ in given }
      PQconninfoFree(defaults)
    }
    func list(_ keyword: String) -> [String] {
      values[keyword].map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) } ?? []
    }
    let names = list("host")
    let addresses = list("hostaddr")
    let ports = list("port")
    let count = max(names.count, addresses.count)
    guard names.isEmpty || addresses.isEmpty || names.count == addresses.count, ports.count <= max(count, 1) else {
      throw PostgresError(
        .invalidConfiguration,
        "the connection string names \(names.count) hosts, \(addresses.count) addresses and "
          + "\(ports.count) ports: give as many of each, or one port for all")
    }
    guard ports.count <= 1 || ports.count == count else {
      throw PostgresError(
        .invalidConfiguration,
        "the connection string names \(count) hosts and \(ports.count) ports: give one port for each, or one for all")
    }
    var hosts: [Host] = []
    if count > 1 {
      for index in 0..<count {
        let port = ports.count > 1 ? ports[index] : ports.first
        hosts.append(
          Host(
            host: names.isEmpty ? nil : names[index], address: addresses.isEmpty ? nil : addresses[index],
            port: port?.isEmpty == true ? "5432" : port))
      }
    } else {
      hosts = [Host()]
    }
    if values["target_session_attrs"] == "prefer-standby", hosts.count > 1 {
      // "Any standby first, then anything" takes two rounds when hosts are tried one by one.
      hosts =
        hosts.map { host in
          var host = host
          host.sessionAttributes = "standby"
          return host
        }
        + hosts.map { host in
          var host = host
          host.sessionAttributes = "any"
          return host
        }
    }
    self.hosts = hosts
    // libpq's own rule: 1 means 2, and 0 or less means no limit.
    connectTimeout = values["connect_timeout"].flatMap { Int($0.trimmed) }.flatMap {
      $0 > 0 ? .seconds(max($0, 2)) : nil
    }
    options = values["options"] ?? getenv("PGOPTIONS").map { String(cString: $0) }
  }

  private static func values(_ entries: UnsafeMutablePointer<PQconninfoOption>) -> [String: String] {
    var values: [String: String] = [:]
    var entry = entries
    while let keyword = entry.pointee.keyword {
      if let value = entry.pointee.val { values[String(cString: keyword)] = String(cString: value) }
      entry += 1
    }
    return values
  }
}
