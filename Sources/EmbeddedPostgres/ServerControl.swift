import Foundation
import Logging

/// Makes, starts and shuts down the server of one cluster. Its callers hold the cluster's start lock.
struct ServerControl: Sendable {
  /// A server that accepts connections.
  struct Running: Sendable {
    let socketDirectory: String
    let wasStarted: Bool
  }

  let configuration: EmbeddedPostgres.Configuration
  let directories: ClusterDirectories
  let account: ServerAccount
  let binaries: ServerBinaries
  let tool: ServerTool
  let logger: Logger

  /// Whether somebody asked for the server to stay up.
  var isKeptRunning: Bool { FileStatus(directories.keepMarker) != nil }

  /// Checks everything that can be checked without a server, and makes the directories.
  static func prepare(
    _ configuration: EmbeddedPostgres.Configuration, logger: Logger
  ) async throws -> ServerControl {
    let database = configuration.database
    guard !database.isEmpty, database.utf8.count < 64, !database.contains(where: { $0.isNewline || $0 == "\0" }) else {
      throw EmbeddedPostgresError(
        .invalidConfiguration,
        "A database's name has 1 to 63 bytes on one line; \(String(reflecting: database)) has not.")
    }
    let directories = try ClusterDirectories(configuration)
    let account = try ServerAccount.forServer(configuration, clusterDirectory: directories.cluster)
    let tool = ServerTool(inheriting: configuration.environment)
    let binaries = try await ServerBinaries.find(
      configuration, clusterVersion: directories.clusterVersion(), dataDirectory: directories.data, account: account,
      tool: tool)
    try directories.makeStateDirectory(account: account)
    return ServerControl(
      configuration: configuration, directories: directories, account: account, binaries: binaries, tool: tool,
      logger: logger)
  }

  /// Starts the server, making the cluster first when there is none, or joins the server that runs.
  func startOrJoin() async throws -> Running {
    if let socketDirectory = try await runningServer() {
      if configuration.leavesRunning { try markKeptRunning() }
      logger.debug("Joined the private cluster.", metadata: ["state_directory": "\(directories.state)"])
      return Running(socketDirectory: socketDirectory, wasStarted: false)
    }
    try directories.makeClusterDirectory(account: account)
    if directories.clusterVersion() == nil { try await makeCluster() }
    let socketDirectory = try SocketDirectory.make(
      directories, account: account, configuration: configuration)
    SocketDirectory.removeLeftovers(socketDirectory)
    try ServerSettings(
      configuration: configuration, directories: directories, socketDirectory: socketDirectory, account: account
    ).write()
    try await disownRecycledProcess()
    try await startServer()
    unlink(directories.keepMarker)
    if configuration.leavesRunning { try markKeptRunning() }
    logger.debug("Started the private cluster.", metadata: ["state_directory": "\(directories.state)"])
    return Running(socketDirectory: socketDirectory, wasStarted: true)
  }

  /// Shuts the server down, if it runs.
  ///
  /// - Returns: Whether it ran.
  @discardableResult
  func shutDown() async throws -> Bool {
    unlink(directories.keepMarker)
    guard let file = PostmasterFile(directories), file.process(directories) == .thisServer else { return false }
    let outcome = try await tool.run(
      binaries.path("pg_ctl"),
      ["stop", "-D", directories.data, "-m", "fast", "-w", "-s", "-t", String(timeoutSeconds)], as: account)
    // A server that somebody else stopped in this moment is as good.
    guard outcome.succeeded || file.process(directories) != .thisServer else {
      throw EmbeddedPostgresError(
        .stopFailed,
        "The private PostgreSQL server (process \(file.processID)) did not shut down: \(outcome.output). Its log is "
          + "\(directories.log).")
    }
    SocketDirectory.removeIfElsewhere(directories)
    logger.debug("Stopped the private cluster.", metadata: ["state_directory": "\(directories.state)"])
    return true
  }

  private var timeoutSeconds: Int64 { max(1, configuration.startTimeout.components.seconds) }

  private func markKeptRunning() throws {
    _ = try FileLock(path: directories.keepMarker)
  }

  /// The socket directory of the server that runs, waited for while it comes up or goes down.
  private func runningServer() async throws -> String? {
    let deadline = ContinuousClock.now.advanced(by: configuration.startTimeout)
    while let file = PostmasterFile(directories), file.process(directories) == .thisServer {
      if file.isReady, let socketDirectory = file.socketDirectory { return socketDirectory }
      guard ContinuousClock.now < deadline else {
        throw EmbeddedPostgresError(
          .startFailed,
          "The private PostgreSQL server (process \(file.processID)) runs, but accepts no connections after "
            + "\(configuration.startTimeout). Its log is \(directories.log).")
      }
      try await Task.sleep(for: .milliseconds(50))
    }
    return nil
  }

  /// Makes the cluster beside its final place, so that an interrupted `initdb` leaves nothing that looks like one.
  private func makeCluster() async throws {
    let isDurable = configuration.durability == .durable
    try await removeUnfinished()
    var arguments = [
      "-D", directories.unfinishedData, "-U", EmbeddedPostgres.superuser, "-E", "UTF8", "--auth-local=peer",
      "--auth-host=reject",
    ]
    #if os(Linux)
      arguments.append("--locale=C.UTF-8")
    #else
      arguments.append("--locale=C")
    #endif
    arguments.append(isDurable ? "--data-checksums" : "--no-sync")
    let made = try await tool.run(binaries.path("initdb"), arguments, as: account)
    guard made.succeeded else {
      throw EmbeddedPostgresError(
        .initializationFailed,
        "initdb could not make a cluster in \(directories.cluster) as \(account.name): \(Self.ending(of: made.output))")
    }
    if configuration.database != "postgres" {
      let name = configuration.database.replacing("\"", with: "\"\"")
      let created = try await tool.run(
        binaries.path("postgres"),
        ["--single"] + (isDurable ? [] : ["-F"]) + ["-D", directories.unfinishedData, "postgres"],
        input: "CREATE DATABASE \"\(name)\"\n", as: account)
      guard created.succeeded, !created.output.contains("ERROR:") else {
        throw EmbeddedPostgresError(
          .initializationFailed,
          "The database \(configuration.database) could not be made: \(Self.ending(of: created.output))")
      }
    }
    guard rename(directories.unfinishedData, directories.data) == 0 else {
      throw EmbeddedPostgresError(
        .initializationFailed, "\(directories.data) cannot be put in place: \(systemErrorText())")
    }
    if isDurable { Self.flush(directories.cluster) }
    logger.debug("Made the private cluster.", metadata: ["state_directory": "\(directories.state)"])
  }

  private func removeUnfinished() async throws {
    guard FileStatus(directories.unfinishedData) != nil else { return }
    _ = try await tool.run("/bin/rm", ["-rf", directories.unfinishedData], as: account)
  }

  /// Marks the process id in a dead server's file as dead, when another program has got that id since.
  ///
  /// PostgreSQL refuses to start while *any* process has it. The file itself stays, because the rest of it lets
  /// PostgreSQL notice server processes that outlived their postmaster.
  private func disownRecycledProcess() async throws {
    guard let file = PostmasterFile(directories), file.process(directories) == .stranger else { return }
    // Greater than any process id of Linux (PID_MAX_LIMIT).
    let script = "{ echo 4194305; tail -n +2 \"$1\"; } > \"$1.new\" && mv \"$1.new\" \"$1\""
    let outcome = try await tool.run("/bin/sh", ["-c", script, "sh", directories.postmasterFile], as: account)
    guard outcome.succeeded else {
      throw EmbeddedPostgresError(
        .startFailed,
        "\(directories.postmasterFile) is left over from a crash and names a process that is not PostgreSQL "
          + "(\(file.processID)); it could not be changed: \(outcome.output)")
    }
  }

  private func startServer() async throws {
    try rotateLog()
    let configFile = "'" + directories.configFile.replacing("'", with: "'\\''") + "'"
    let deadline = ContinuousClock.now.advanced(by: configuration.startTimeout)
    while true {
      let logged = logSize()
      let outcome = try await tool.run(
        binaries.path("pg_ctl"),
        [
          "start", "-D", directories.data, "-l", directories.log, "-w", "-s", "-t", String(timeoutSeconds),
          "-o", "-c config_file=\(configFile)",
        ], as: account)
      if outcome.succeeded { return }
      let log = logText(from: logged)
      // Processes of a server that was killed notice it only after a moment.
      if log.contains("pre-existing shared memory block"), ContinuousClock.now < deadline {
        try await Task.sleep(for: .milliseconds(100))
        continue
      }
      throw EmbeddedPostgresError(
        .startFailed,
        "The private PostgreSQL server did not start in \(directories.state) as \(account.name): "
          + "\(Self.ending(of: log.isEmpty ? outcome.output : log)) (log: \(directories.log))")
    }
  }

  /// Puts a log of more than 10 MiB aside, in the place of the one before.
  private func rotateLog() throws {
    if logSize() > 10 << 20 { _ = rename(directories.log, directories.log + ".1") }
  }

  private func logSize() -> UInt64 {
    (try? FileManager.default.attributesOfItem(atPath: directories.log))?[.size] as? UInt64 ?? 0
  }

  private func logText(from offset: UInt64) -> String {
    // The server's account owns the directory: a link from there must not be followed by root.
    let descriptor = open(directories.log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { return "" }
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    guard (try? file.seek(toOffset: offset)) != nil, let data = try? file.read(upToCount: 1 << 16) else { return "" }
    return String(decoding: data, as: UTF8.self)
  }

  /// The last lines of a program's output, on one line.
  private static func ending(of output: String) -> String {
    output.split(whereSeparator: \.isNewline).suffix(6).joined(separator: " | ")
  }

  private static func flush(_ directory: String) {
    let descriptor = open(directory, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }
}
