import EmbeddedPostgres
import TestDatabase
import Testing

@Suite("Test databases", .database)
struct TestDatabaseTests {
  private func query(_ text: String, in connectionInfo: String) async throws -> String {
    try await TestDatabase.shared.embeddedCluster().runClient("psql", [connectionInfo, "-XAtqc", text])
  }

  @Test("Each case of a test gets a database of its own", arguments: 1...4)
  func isFresh(number: Int) async throws {
    let name = try await query("SELECT current_database()", in: TestDatabase.current)
    #expect(name.hasPrefix("test_"))
    let made = try await query("CREATE TABLE marker (); SELECT 'made'", in: TestDatabase.current)
    #expect(made == "made")
  }

  @Test("A database is gone after it was dropped, even with somebody connected")
  func drops() async throws {
    let connectionInfo = try await TestDatabase.shared.emptyDatabase()
    #expect(connectionInfo != TestDatabase.current)
    try await TestDatabase.shared.drop(connectionInfo)
    await #expect(throws: EmbeddedPostgresError.self) {
      try await query("SELECT 1", in: connectionInfo)
    }
  }
}
