extension PostgresListener {
  /// What a listener connects to, and how it takes care of its connection.
  public struct Configuration: Sendable {
    /// A libpq URL or keyword list, as for a pool. It must lead to the server itself: behind a transaction pooler LISTEN
    /// has no meaning, and a standby refuses it, so with several hosts say `target_session_attrs=read-write`.
    public var connectionString: String
    /// The role to work as, sent as the start-up option `-c role=…`; `nil` (the default) works as the login itself.
    public var role: String?
    /// What `pg_stat_activity.application_name` shows unless the connection string says otherwise; default
    /// `connection-registry`.
    public var applicationName = "connection-registry"
    /// How long one host may take to answer, where the connection string has no `connect_timeout`; default 5 seconds.
    public var connectTimeout: Duration = .seconds(5)
    /// Past this time without a notification the server is asked which channels it knows; default 30 seconds. That finds
    /// a dead host, a stopped server process and a forgotten LISTEN alike, which TCP's keepalive does not.
    public var probeInterval: Duration = .seconds(30)
    /// How long the server may take to answer a LISTEN or such a question before its connection is replaced; default
    /// 5 seconds.
    public var answerTimeout: Duration = .seconds(5)
    /// The most elements that wait for one subscriber, each up to 8 kB; beyond, they become one `resumed`. At least 1;
    /// default 256.
    public var maximumBuffered = 256

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
      guard maximumBuffered >= 1 else {
        throw PostgresError(.invalidConfiguration, "maximumBuffered must be at least 1")
      }
      for (name, value) in [("probeInterval", probeInterval), ("answerTimeout", answerTimeout)] where value <= .zero {
        throw PostgresError(.invalidConfiguration, "\(name) must be longer than zero")
      }
      // What a pool and a listener have in common is checked by the pool's rules.
      var pool = PostgresPool.Configuration(connectionString, role: role)
      pool.connectTimeout = connectTimeout
      return try pool.validated()
    }
  }
}

extension PostgresListener.Configuration: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The limits and the role, without the connection string, which may hold a password.
  public var description: String {
    "PostgresListener.Configuration(role: \(role ?? "none"), probeInterval: \(probeInterval), "
      + "maximumBuffered: \(maximumBuffered))"
  }

  /// The same as ``description``.
  public var debugDescription: String { description }

  /// A mirror without children, so that `dump` shows no password.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
