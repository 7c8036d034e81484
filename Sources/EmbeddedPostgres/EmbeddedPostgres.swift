import Foundation
public import Logging

/// A PostgreSQL cluster of one's own: made on first use, reached over a unix socket, shut down after the last user.
///
/// ```swift
/// try await EmbeddedPostgres.withCluster { cluster in
///   print(cluster.connectionInfo)   // host=… port=5432 user=postgres dbname=registry
/// }
/// ```
///
/// **Who can connect.** Nobody over the network (`listen_addresses` is empty). The socket lies in a directory with
/// permissions 0700, and the server asks the kernel who is at the other end (`peer`): only the account that made the
/// cluster, and root, are let in. There is no password, so none can leak into a file, a log or a process list; and
/// where root starts the cluster, other programs of the server's account (`postgres`, `nobody`) are refused, too.
///
/// **Several at once.** Instances with the same state directory, in one process or in several, share one server. The
/// first starts it, the last to stop shuts it down; one that is killed counts as stopped. Settings are those of the
/// first.
///
/// The cluster that a system package made is never touched.
public actor EmbeddedPostgres {
  /// The port that names the socket. Nothing listens on it in the network.
  public static let port = 5432

  /// The role that owns the cluster.
  public static let superuser = "postgres"

  /// The directory that holds the cluster; absolute.
  public nonisolated let stateDirectory: String

  /// The directory of the server's socket.
  public nonisolated let socketDirectory: String

  /// The server's major version.
  public nonisolated let majorVersion: Int

  /// Whether this instance started the server, and did not find it running.
  public nonisolated let startedServer: Bool

  nonisolated let server: ServerControl
  private nonisolated let database: String
  private nonisolated let logger: Logger
  private let useLock: FileLock
  private var stopping: Task<Void, any Error>?

  /// A connection string for libpq: the superuser, over the socket, to the configured database.
  public nonisolated var connectionInfo: String { connectionInfo(database: database) }

  private init(_ server: ServerControl, running: ServerControl.Running, useLock: FileLock, logger: Logger) {
    self.server = server
    self.useLock = useLock
    self.logger = logger
    database = server.configuration.database
    stateDirectory = server.directories.state
    socketDirectory = running.socketDirectory
    startedServer = running.wasStarted
    majorVersion = server.binaries.majorVersion
  }

  /// Starts the cluster, making it on first use, or joins the one that runs.
  ///
  /// Call ``stop()`` in the end, or use ``withCluster(_:logger:isolation:_:)``, which does.
  ///
  /// - Parameters:
  ///   - configuration: What the cluster is to be like.
  ///   - logger: Gets a line at `debug` for each step.
  /// - Returns: The cluster, ready for connections.
  /// - Throws: ``EmbeddedPostgresError`` with a sentence that says what to do; `CancellationError` when the task was
  ///   cancelled meanwhile, and then nothing is left running.
  public static func start(
    _ configuration: Configuration = Configuration(), logger: Logger = Logger(label: "connection-registry.postgres")
  ) async throws -> EmbeddedPostgres {
    let server = try await ServerControl.prepare(configuration, logger: logger)
    let startLock = try FileLock(path: server.directories.startLock)
    try await startLock.lock(.exclusive, timeout: configuration.startTimeout)
    let useLock = try FileLock(path: server.directories.useLock)
    // Only a stop takes it exclusively, and it does so under the start lock.
    try await useLock.lock(.shared, timeout: configuration.startTimeout)
    let running = try await server.startOrJoin()
    let cluster = EmbeddedPostgres(server, running: running, useLock: useLock, logger: logger)
    startLock.unlock()
    if Task.isCancelled {
      try await cluster.stop()
      throw CancellationError()
    }
    return cluster
  }

  /// Runs the body with a running cluster, and stops it afterwards however the body ends.
  ///
  /// - Parameters:
  ///   - configuration: What the cluster is to be like.
  ///   - logger: Gets a line at `debug` for each step.
  ///   - isolation: The actor to run the body on: the caller's.
  ///   - body: What to do with the cluster.
  /// - Returns: What the body returns.
  /// - Throws: What ``start(_:logger:)``, the body or ``stop()`` throws; the body's error comes first.
  public static func withCluster<Result>(
    _ configuration: Configuration = Configuration(), logger: Logger = Logger(label: "connection-registry.postgres"),
    isolation: isolated (any Actor)? = #isolation,
    _ body: (EmbeddedPostgres) async throws -> sending Result
  ) async throws -> sending Result {
    let cluster = try await start(configuration, logger: logger)
    let result: Result
    do {
      result = try await body(cluster)
    } catch {
      do {
        try await cluster.stop()
      } catch let stopError {
        logger.debug("The private cluster did not stop.", metadata: ["error": "\(stopError)"])
      }
      throw error
    }
    try await cluster.stop()
    return result
  }

  /// Gives the cluster back, and shuts the server down when nobody else uses it.
  ///
  /// The shutdown is *fast*: open transactions are rolled back, everything committed is written out. It is not
  /// interrupted by a cancellation of the calling task. A second call waits for the first and does nothing.
  ///
  /// - Throws: ``EmbeddedPostgresError`` when the server does not shut down.
  public func stop() async throws {
    let task =
      stopping
      ?? Task { [server, useLock] in
        let startLock = try FileLock(path: server.directories.startLock)
        try await startLock.lock(.exclusive, timeout: server.configuration.startTimeout)
        defer { startLock.unlock() }
        useLock.unlock()
        guard !server.configuration.leavesRunning, !server.isKeptRunning, useLock.tryLock(.exclusive) else { return }
        defer { useLock.unlock() }
        try await server.shutDown()
      }
    stopping = task
    try await task.value
  }

  /// Shuts down a server that was left running.
  ///
  /// - Parameters:
  ///   - configuration: Names the cluster by its state directory.
  ///   - logger: Gets a line at `debug` for each step.
  /// - Returns: Whether a server was running.
  /// - Throws: ``EmbeddedPostgresError``: `busy` when somebody uses it, or it does not shut down.
  @discardableResult
  public static func shutDown(
    _ configuration: Configuration = Configuration(), logger: Logger = Logger(label: "connection-registry.postgres")
  ) async throws -> Bool {
    let directories = try ClusterDirectories(configuration)
    guard FileStatus(directories.state) != nil, directories.clusterVersion() != nil else { return false }
    let server = try await ServerControl.prepare(configuration, logger: logger)
    let startLock = try FileLock(path: directories.startLock)
    try await startLock.lock(.exclusive, timeout: configuration.startTimeout)
    defer { startLock.unlock() }
    let useLock = try FileLock(path: directories.useLock)
    guard useLock.tryLock(.exclusive) else {
      throw EmbeddedPostgresError(
        .busy, "The cluster in \(directories.state) is in use by another process; end that first.")
    }
    defer { useLock.unlock() }
    return try await server.shutDown()
  }

  /// A connection string for libpq to one of the cluster's databases.
  ///
  /// - Parameters:
  ///   - database: The database's name.
  ///   - user: The role to log in as: the superuser, or one of ``Configuration/loginRoles``.
  /// - Returns: Keywords and values, quoted as libpq wants them.
  public nonisolated func connectionInfo(database: String, user: String = EmbeddedPostgres.superuser) -> String {
    [("host", socketDirectory), ("port", String(Self.port)), ("user", user), ("dbname", database)]
      .map { "\($0.0)=\(Self.quote($0.1))" }
      .joined(separator: " ")
  }

  /// Runs a client program of the server's installation (`createdb`, `psql` …) against the cluster.
  ///
  /// - Parameters:
  ///   - program: The program's name.
  ///   - arguments: Its arguments; how to connect is added through the environment.
  /// - Returns: What it wrote to both of its outputs.
  /// - Throws: ``EmbeddedPostgresError`` `toolFailed` with what it wrote when it is missing or does not exit with 0.
  @discardableResult
  package nonisolated func runClient(_ program: String, _ arguments: [String]) async throws -> String {
    var tool = server.tool
    tool.environment["PGHOST"] = socketDirectory
    tool.environment["PGPORT"] = String(Self.port)
    tool.environment["PGUSER"] = Self.superuser
    let outcome = try await tool.run(server.binaries.path(program), arguments)
    guard outcome.succeeded else {
      throw EmbeddedPostgresError(
        .toolFailed, "\(program) \(arguments.joined(separator: " ")) failed: \(outcome.output)")
    }
    return outcome.output
  }

  private static func quote(_ value: String) -> String {
    let plain = value.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
        || "/._-@:".utf8.contains(byte)
    }
    guard value.isEmpty || !plain else { return value }
    return "'" + value.replacing("\\", with: "\\\\").replacing("'", with: "\\'") + "'"
  }
}
