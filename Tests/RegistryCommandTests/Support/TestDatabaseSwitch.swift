import EmbeddedPostgres
import TestDatabase
import Testing

/// Takes one database away from whoever uses it, and gives it back.
struct TestDatabaseSwitch {
  private let name: String

  /// Lets nobody in any more, and throws out who is.
  static func close(_ connectionInfo: String) async throws -> TestDatabaseSwitch {
    let name = try #require(connectionInfo.split(separator: "dbname=").last.map(String.init))
    let closed = TestDatabaseSwitch(name: name)
    try await closed.run("ALTER DATABASE \(name) ALLOW_CONNECTIONS false")
    try await closed.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '\(name)'")
    return closed
  }

  /// Lets everybody in again.
  func open() async throws {
    try await run("ALTER DATABASE \(name) ALLOW_CONNECTIONS true")
  }

  private func run(_ sql: String) async throws {
    let cluster = try await TestDatabase.shared.embeddedCluster()
    try await cluster.runClient("psql", ["-X", "-q", "-d", "postgres", "-c", sql])
  }
}
