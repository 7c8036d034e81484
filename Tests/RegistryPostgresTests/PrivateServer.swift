import Foundation
import TestDatabase
import Testing

@testable import EmbeddedPostgres

/// A server of a test's own, for what cannot be done to the one that all share: stop it, fill it, make it speak TLS.
actor PrivateServer {
  /// Holds the cluster, and whatever files its test wants beside it.
  nonisolated let directory: String
  /// On the loopback, where `listen_addresses` says so; also part of the socket's name.
  nonisolated let port: Int
  private var configuration: EmbeddedPostgres.Configuration
  private var cluster: EmbeddedPostgres?

  /// Making a cluster keeps a processor busy for a second: many at once would only run into their time limits.
  private static let places = TestPlaces(2)

  private init(_ settings: [String: String], _ access: [String]) throws {
    // The prefix by which a later run finds and removes what a killed one left.
    var template = Array("/tmp/registry-test-\(getpid())-XXXXXX".utf8CString)
    try #require(mkdtemp(&template) != nil)
    directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // The server's account must pass through when the tests run as root.
    if geteuid() == 0 { chmod(directory, 0o711) }
    port = try FakeServer(.silent).port
    let rules = access + ["local all all peer map=registry", "local replication all peer map=registry"]
    try Data((rules.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: directory + "/access.conf"))
    configuration = EmbeddedPostgres.Configuration(stateDirectory: directory)
    configuration.database = "postgres"
    configuration.durability = .volatile
    configuration.settings = [
      "port": "\(port)", "hba_file": directory + "/access.conf", "shared_buffers": "16MB", "max_wal_size": "64MB",
    ].merging(settings) { $1 }
  }

  /// Runs the body with a server, and removes it afterwards.
  /// - Parameters:
  ///   - settings: lines of `postgresql.conf`.
  ///   - access: lines of `pg_hba.conf`, before the one that lets the test's own account in.
  ///   - prepare: makes files in ``directory`` before the server starts.
  ///   - body: the test.
  static func with(
    settings: [String: String] = [:], access: [String] = [],
    prepare: (PrivateServer) async throws -> Void = { _ in },
    _ body: (PrivateServer) async throws -> Void
  ) async throws {
    await places.take()
    defer { places.giveBack() }
    let server = try PrivateServer(settings, access)
    do {
      try await prepare(server)
      try await server.start()
      try await body(server)
    } catch {
      await server.destroy()
      throw error
    }
    await server.destroy()
  }

  func start() async throws {
    cluster = try await EmbeddedPostgres.start(configuration)
  }

  /// Shuts the server down *fast*: sessions are ended, their transactions rolled back.
  func stop() async throws {
    try await cluster?.stop()
    cluster = nil
  }

  func restart(with settings: [String: String]) async throws {
    try await stop()
    configuration.settings.merge(settings) { $1 }
    try await start()
  }

  /// Asks for a *smart* shutdown: nobody is let in any more, and the server ends with its last session.
  func stopLettingIn() throws {
    let text = try String(contentsOfFile: directory + "/postgres/data/postmaster.pid", encoding: .utf8)
    let process = try #require(text.split(separator: "\n").first.flatMap { pid_t($0) })
    try #require(kill(process, SIGTERM) == 0, "the tests must run as root or as the server's account")
  }

  /// Makes a standby of this server in another directory, to be started and destroyed by the caller.
  func makeStandby() async throws -> PrivateServer {
    let cluster = try #require(cluster)
    let standby = try PrivateServer(["hot_standby": "on"], [])
    let account = cluster.server.account
    try ClusterDirectories.makeDirectory(standby.directory + "/postgres", for: account)
    let data = standby.directory + "/postgres/data"
    let copied = try await cluster.server.tool.run(
      cluster.server.binaries.path("pg_basebackup"),
      ["-d", connectionString, "-D", data, "-R", "--checkpoint=fast", "--no-sync"])
    try #require(copied.succeeded, "\(copied.output)")
    if account.userID != geteuid() {
      let given = try await cluster.server.tool.run("/bin/chown", ["-R", "\(account.userID):\(account.groupID)", data])
      try #require(given.succeeded, "\(given.output)")
      // The server's own account asks the primary for what is new.
      let rule = "local replication all trust\n"
      let path = directory + "/access.conf"
      try Data((rule + String(contentsOfFile: path, encoding: .utf8)).utf8).write(to: URL(filePath: path))
    }
    return standby
  }

  func destroy() {
    cluster = nil
    try? ClusterDirectories(configuration).destroy()
  }

  /// The superuser's, over the socket. A server on a busy machine may take its time.
  nonisolated var connectionString: String {
    "host=\(directory)/postgres/socket port=\(port) user=postgres dbname=postgres connect_timeout=300"
  }

  /// Runs a program of the system's.
  nonisolated func run(_ program: String, _ arguments: [String]) async throws {
    let outcome = try await ServerTool(inheriting: ProcessInfo.processInfo.environment)
      .run("/usr/bin/env", [program] + arguments)
    try #require(outcome.succeeded, "\(program): \(outcome.output)")
  }

  /// Gives a file to the account that the server will run as.
  nonisolated func give(_ path: String) throws {
    let account = try ServerAccount.forServer(
      EmbeddedPostgres.Configuration(stateDirectory: directory), clusterDirectory: directory + "/postgres")
    try #require(chown(path, account.userID, account.groupID) == 0 && chmod(path, 0o600) == 0)
  }
}
