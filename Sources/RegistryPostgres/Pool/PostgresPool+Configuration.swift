extension PostgresPool {
  /// What a pool connects to and how far it may go.
  public struct Configuration: Sendable {
    /// A libpq URL or keyword list; several hosts are tried in turn, for example
    /// `postgres://service@a,b/registry?target_session_attrs=read-write`. `PG*` variables fill what it leaves out.
    public var connectionString: String
    /// The role to work as, sent as the start-up option `-c role=…`; `nil` (the default) works as the login itself.
    public var role: String?
    /// What `pg_stat_activity.application_name` shows unless the connection string says otherwise; default
    /// `connection-registry`.
    public var applicationName = "connection-registry"
    /// The most connections, at least 1; default 8.
    public var maximumConnections = 8
    /// The most callers that wait for a connection; one more is refused with code `queueFull`. Default 1,024.
    public var maximumWaiting = 1024
    /// How long a call without a deadline of its own may take, waiting included; default 30 seconds.
    public var defaultTimeout: Duration = .seconds(30)
    /// How long one host may take to answer, where the connection string has no `connect_timeout`; default 5 seconds.
    public var connectTimeout: Duration = .seconds(5)
    /// How long callers wait out a server that cannot be reached before they get its error; default 5 seconds. Wrong
    /// passwords and databases are reported at once.
    public var outageTolerance: Duration = .seconds(5)
    /// How long a cancelled statement may take to end before its connection is closed; default 3 seconds.
    public var cancelGrace: Duration = .seconds(3)
    /// Past this age a connection is closed when it comes back; default 1 hour. A tenth less at random, so that
    /// connections opened together do not close together.
    public var maximumLifetime: Duration = .seconds(3600)
    /// Past this time without use a connection is closed; default 5 minutes.
    public var maximumIdleTime: Duration = .seconds(300)
    /// How long a caller may hold its thread to wait for an answer that is about to come, before it is suspended; default
    /// 500 microseconds, kept to within two ticks of a clock of 2 milliseconds. Handing a point query from thread to
    /// thread and back takes as long as the query. As many threads as half of the processors are held at once, two where
    /// there are two, and not for a server whose answers took longer before; zero always suspends. A caller alone with
    /// the pool looks again and again for up to the first 200 microseconds of it, which keeps a processor busy.
    public var directWait: Duration = .microseconds(500)
    /// Whether statements with names are prepared; turn it off behind a transaction pooler. Default `true`.
    public var preparesStatements = true
    /// The most statements that one connection keeps prepared, the longest unused making room; default 256.
    public var maximumPreparedStatements = 256
    /// How many bytes of results, as the server sends them, one statement or batch may gather in memory before it is
    /// cancelled with code `resultTooLarge`; `nil` for any number. Default 256 MiB. Measured while reading, so it may be
    /// passed by some, and rows of many small columns take several times as much memory as bytes. What is streamed, by
    /// `withRows` or `copyOut`, may be of any size, a single row excepted.
    public var maximumResultBytes: Int? = 256 << 20

    /// A configuration with the defaults.
    /// - Parameters:
    ///   - connectionString: a libpq URL or keyword list.
    ///   - role: the role to work as; `nil` works as the login itself.
    public init(_ connectionString: String, role: String? = nil) {
      self.connectionString = connectionString
      self.role = role
    }

    /// Checks the limits and takes the connection string apart.
    func validated() throws(PostgresError) -> ConnectionTarget {
      func require(_ isMet: Bool, _ message: String) throws(PostgresError) {
        guard isMet else { throw PostgresError(.invalidConfiguration, message) }
      }
      try require(maximumConnections >= 1, "maximumConnections must be at least 1")
      try require(maximumWaiting >= 0, "maximumWaiting must not be negative")
      try require(maximumPreparedStatements >= 0, "maximumPreparedStatements must not be negative")
      try require((maximumResultBytes ?? 1) > 0, "maximumResultBytes must be at least 1, or nil for no limit")
      for (name, value) in [
        ("defaultTimeout", defaultTimeout), ("connectTimeout", connectTimeout), ("cancelGrace", cancelGrace),
        ("maximumLifetime", maximumLifetime), ("maximumIdleTime", maximumIdleTime),
      ] {
        try require(value > .zero, "\(name) must be longer than zero")
      }
      try require(directWait >= .zero && directWait <= .milliseconds(10), "directWait must lie between 0 and 10 ms")
      try require(role?.isEmpty != true, "the role must not be empty; leave it out to work as the login itself")
      try require(role?.utf8.contains(0) != true, "the role must not hold a NUL character")
      return try ConnectionTarget(parsing: connectionString)
    }

    /// Refuses a connection string that leaves a part of the login to the process's environment: libpq would take `PGHOST`,
    /// `PGUSER` and `PGPASSWORD`, which belong to another database, and tell them to whoever is named by a stranger
    /// (PostgreSQL manual, 34.15).
    ///
    /// - Throws: `invalidConfiguration` where host or user are missing, where the password is and the environment has one, or
    ///   where the string cannot be parsed.
    public func requireOwnLogin() throws(PostgresError) {
      let left = try ConnectionTarget(parsing: connectionString).leftToEnvironment
      guard left.isEmpty else {
        throw PostgresError(
          .invalidConfiguration,
          "the connection string must name \(left.joined(separator: ", ")) itself: what it lacks would be taken from this "
            + "process's environment, where it belongs to another database")
      }
    }
  }
}

extension PostgresPool.Configuration: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The limits and the role, without the connection string, which may hold a password.
  public var description: String {
    "PostgresPool.Configuration(role: \(role ?? "none"), maximumConnections: \(maximumConnections), "
      + "maximumWaiting: \(maximumWaiting), defaultTimeout: \(defaultTimeout))"
  }

  /// The same as ``description``.
  public var debugDescription: String { description }

  /// A mirror without children, so that `dump` shows no password.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
