public import EmbeddedPostgres
import Foundation

/// Databases for tests, each fresh, on one private cluster per test process.
///
/// The cluster comes up with the first database that is asked for and is gone when the process ends. Where no server
/// can be had, every call throws and the test fails: a test without its database says nothing.
public final class TestDatabase: Sendable {
  /// The one cluster of this test process.
  public static let shared = TestDatabase()

  /// The connection string of the database that the running test got from the `.database` trait.
  @TaskLocal public static var current = ""

  private let cluster = TestCluster()
  private let template = SchemaTemplate()

  /// How many tests with the trait run at once: all of them together would want more connections than a server has.
  let places = TestPlaces(8)

  private init() {}

  /// Makes a database without anything in it.
  ///
  /// It stays until the process ends; `.database` as a trait drops it after the test.
  ///
  /// - Returns: A connection string for libpq: the superuser, over a unix socket.
  /// - Throws: `EmbeddedPostgresError` when there is no server or it refuses.
  public func emptyDatabase() async throws -> String {
    let running = try await cluster.running()
    let name = Self.newName()
    try await running.runClient("createdb", Self.copying("template0", version: running.majorVersion) + [name])
    return Self.patient(running.connectionInfo(database: name))
  }

  /// Makes a database with the product's schema: a copy of one that is migrated once per test process.
  ///
  /// It stays until the process ends; `.migratedDatabase` as a trait drops it after the test.
  ///
  /// - Returns: A connection string for libpq: the superuser, over a unix socket.
  /// - Throws: `EmbeddedPostgresError` when there is no server, and what the migrator throws.
  public func migratedDatabase() async throws -> String {
    let running = try await cluster.running()
    let source = try await template.name { try await self.emptyDatabase() }
    let name = Self.newName()
    try await running.runClient("createdb", Self.copying(source, version: running.majorVersion) + [name])
    return Self.patient(running.connectionInfo(database: name))
  }

  /// All tests at once keep a machine so busy that a server takes a connection later than a user would wait for it. First,
  /// because some look for the name of the database at the end.
  private static func patient(_ connectionInfo: String) -> String { "connect_timeout=300 \(connectionInfo)" }

  /// Drops a database of this cluster, whoever is connected to it.
  ///
  /// - Parameter connectionInfo: What ``emptyDatabase()`` returned.
  /// - Throws: `EmbeddedPostgresError` when it cannot be dropped.
  public func drop(_ connectionInfo: String) async throws {
    let running = try await cluster.running()
    guard let name = connectionInfo.split(separator: "dbname=").last else { return }
    try await running.runClient("dropdb", ["--force", "--if-exists", String(name)])
  }

  /// The cluster itself, for tests that stop servers or read their settings.
  ///
  /// - Returns: The running cluster of this process.
  /// - Throws: `EmbeddedPostgresError` when there is no server.
  public func embeddedCluster() async throws -> EmbeddedPostgres {
    try await cluster.running()
  }

  private static func newName() -> String {
    "test_" + UUID().uuidString.lowercased().replacing("-", with: "")
  }

  /// Copying files is faster than the default of newer servers, which writes each page to the log.
  private static func copying(_ template: String, version: Int) -> [String] {
    ["--template", template, "--maintenance-db", "postgres"] + (version >= 15 ? ["--strategy", "file_copy"] : [])
  }
}
