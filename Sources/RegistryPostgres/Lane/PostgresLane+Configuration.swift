extension PostgresLane {
  /// What a lane connects to and how far it may go.
  public struct Configuration: Sendable {
    /// A libpq URL or keyword list, as for a pool.
    public var connectionString: String
    /// The role to work as, sent as the start-up option `-c role=…`; `nil` (the default) works as the login itself.
    public var role: String?
    /// What `pg_stat_activity.application_name` shows; default `connection-registry`.
    public var applicationName = "connection-registry"
    /// How many connections; default 1. A lane for writes keeps to one: two transactions that join many callers and
    /// lock the same rows in different orders deadlock. Between connections, and between processes, callers that give
    /// ``PostgresBatch/order`` do not; of others a deadlock (40P01) costs a repetition caller by caller.
    public var connections = 1
    /// The most callers that wait for a batch; one more is refused with code `queueFull`. Default 4,096.
    public var maximumWaiting = 4096
    /// The most bytes of statements and parameters that wait; beyond, callers are refused with code `queueFull`. A
    /// caller who waits alone is never refused. Default 64 MiB.
    public var maximumWaitingBytes = 64 << 20
    /// The most callers in one transaction; default 256. Short reads go in crowds of 8 KiB all the same.
    public var maximumBatchCallers = 256
    /// The most statements in one transaction, unless one caller brings more; default 1,024.
    public var maximumBatchStatements = 1024
    /// The most bytes in one transaction, unless one caller brings more; default 4 MiB.
    public var maximumBatchBytes = 4 << 20
    /// Whether a call that says nothing of it may be repeated after a connection was lost with its outcome open; default
    /// `false`. Turn it on where every write carries its own deduplication key, or for reads.
    public var repeatsAfterLoss = false
    /// How long a call without a deadline of its own may take, waiting included; default 30 seconds.
    public var defaultTimeout: Duration = .seconds(30)
    /// How long one host may take to answer; default 5 seconds.
    public var connectTimeout: Duration = .seconds(5)
    /// How long callers wait out a server that cannot be reached before they get its error; default 5 seconds.
    public var outageTolerance: Duration = .seconds(5)
    /// How long a batch that nobody waits for any more may take to be cancelled; default 3 seconds.
    public var cancelGrace: Duration = .seconds(3)
    /// Past this age a connection is replaced once its batch is over; default 1 hour. A tenth less at random, so that
    /// connections opened together do not close together.
    public var maximumLifetime: Duration = .seconds(3600)
    /// How long a thread may be held to wait for the answer to a batch before the wait is handed to the reactor; default 2
    /// milliseconds, kept to within two ticks of a clock of as much. Handing it from thread to thread and back takes as
    /// long as a point query, and moves all callers of the batch to other threads. Half of the processors' threads are
    /// held at most, but two where there are two, and not for a server whose answers took longer before; zero always
    /// hands over. A caller alone in its batch looks again and again for up to the first 200 microseconds of it, which
    /// keeps a processor busy.
    public var directWait: Duration = .milliseconds(2)
    /// Whether statements with names are prepared; turn it off behind a transaction pooler. Default `true`.
    public var preparesStatements = true
    /// The most statements that one connection keeps prepared; default 256.
    public var maximumPreparedStatements = 256

    /// A configuration with the defaults.
    /// - Parameters:
    ///   - connectionString: a libpq URL or keyword list.
    ///   - role: the role to work as; `nil` works as the login itself.
    public init(_ connectionString: String, role: String? = nil) {
      self.connectionString = connectionString
      self.role = role
    }

    var limits: LaneStateMachine.Limits {
      LaneStateMachine.Limits(
        connections: max(1, connections), maximumWaiting: maximumWaiting, maximumWaitingBytes: maximumWaitingBytes,
        batchCallers: max(1, maximumBatchCallers), batchStatements: maximumBatchStatements,
        batchBytes: maximumBatchBytes, outageTolerance: outageTolerance, maximumLifetime: maximumLifetime)
    }

    /// Checks the limits and takes the connection string apart.
    func validated() throws(PostgresError) -> ConnectionTarget {
      for (name, value, least) in [
        ("connections", connections, 1), ("maximumWaiting", maximumWaiting, 1),
        ("maximumWaitingBytes", maximumWaitingBytes, 1), ("maximumBatchCallers", maximumBatchCallers, 1),
        ("maximumBatchStatements", maximumBatchStatements, 1), ("maximumBatchBytes", maximumBatchBytes, 1),
      ] where value < least {
        throw PostgresError(.invalidConfiguration, "\(name) must be at least \(least)")
      }
      // What a pool and a lane have in common is checked by the pool's rules.
      var pool = PostgresPool.Configuration(connectionString, role: role)
      pool.defaultTimeout = defaultTimeout
      pool.connectTimeout = connectTimeout
      pool.cancelGrace = cancelGrace
      pool.directWait = directWait
      pool.maximumLifetime = maximumLifetime
      pool.maximumPreparedStatements = maximumPreparedStatements
      return try pool.validated()
    }
  }
}

extension PostgresLane.Configuration: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The limits and the role, without the connection string, which may hold a password.
  public var description: String {
    "PostgresLane.Configuration(role: \(role ?? "none"), connections: \(connections), "
      + "maximumWaiting: \(maximumWaiting), maximumBatchCallers: \(maximumBatchCallers))"
  }

  /// The same as ``description``.
  public var debugDescription: String { description }

  /// A mirror without children, so that `dump` shows no password.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
