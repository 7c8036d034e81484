import EmbeddedPostgres
import Foundation
import TestDatabase
import Testing

@Suite(.timeLimit(.minutes(20))) struct ExitCodeTests {
  @Test(arguments: [
    ["nonsense"], ["tenant", "show"], ["finding", "list", "--tenant", "acme", "--severity", "awful"],
    ["finding", "show", "--tenant", "acme", "no-id"], ["connection", "list", "--tenant", "acme", "--limit", "0"],
    ["serve", "--port", "70000"], ["tenant", "list", "--format", "xml"],
  ])
  func usageIs64(arguments: [String]) async throws {
    let outcome = try await CommandLineTool.run(arguments, database: nil)
    #expect(outcome.code == 64, "\(outcome.errors)")
    #expect(outcome.output.isEmpty)
    #expect(outcome.errors.hasPrefix("Error: "))
  }

  /// A wrong setting stops everything, and the message names the key and what it takes.
  @Test(arguments: [
    ("REGISTRY_HTTP_PORT", "eighty", "a port from 0 to 65535"), ("REGISTRY_LOG_LEVEL", "loud", "one of trace"),
    ("REGISTRY_LOG_FORMAT", "xml", "text or json"), ("REGISTRY_PUBLIC_URL", "ftp://x", "URL"),
    ("REGISTRY_MASTER_KEYS", "short", "32 bytes in base64"), ("REGISTRY_RECONCILE_GRACE", "soon", "duration"),
  ])
  func wrongSettingsAre64(key: String, value: String, takes: String) async throws {
    let database = try await TestDatabase.shared.migratedDatabase()
    let outcome = try await CommandLineTool.run(
      ["serve", "--port", "0"], database: database, environment: [key: value])
    #expect(outcome.code == 64, "\(outcome.errors)")
    #expect(outcome.errors.contains(key))
    #expect(outcome.errors.contains(takes))
    #expect(!outcome.errors.contains(value) || key != "REGISTRY_MASTER_KEYS", "a secret stands in the message")
  }

  @Test(arguments: [["serve", "--port", "0"], ["tenant", "list"], ["migrate", "status"]])
  func noDatabaseIs69(arguments: [String]) async throws {
    let outcome = try await CommandLineTool.run(
      arguments, database: "postgres://nobody:hidden@127.0.0.1:9/none?connect_timeout=2")
    #expect(outcome.code == 69, "\(outcome.errors)")
    #expect(!outcome.errors.contains("hidden"), "the password stands in the message")
  }

  @Test(
    .database,
    arguments: [["serve", "--port", "0"], ["tenant", "list"], ["migrate", "status"], ["migrate", "validate"]])
  func unmigratedIs78(arguments: [String]) async throws {
    let outcome = try await CommandLineTool.run(arguments)
    #expect(outcome.code == 78, "\(outcome.errors)")
    #expect(outcome.errors.contains("registry migrate apply"))
  }

  @Test(arguments: [["serve", "--port", "0"], ["tenant", "list"], ["migrate", "status"]])
  func newerIs78(arguments: [String]) async throws {
    let database = try await TestDatabase.shared.migratedDatabase()
    try await TestDatabase.shared.embeddedCluster().runClient(
      "psql",
      [
        "-X", "-d", database, "-c",
        """
        INSERT INTO registry.migration_log (number, name, checksum, breaking)
        SELECT max(number) + 1, 'from_the_future', repeat('a', 64), true FROM registry.migration_log
        """,
      ])
    let outcome = try await CommandLineTool.run(arguments, database: database)
    #expect(outcome.code == 78, "\(outcome.errors)")
    #expect(outcome.errors.contains("from_the_future"))
  }

  @Test func unknownThingsAre2() async throws {
    let deployment = try await Deployment.make()
    let id = "01939f6e-7a1c-7c3e-9d2f-5b8a4e6f0c11"
    for arguments in [
      ["tenant", "show", "nobody"], ["connection", "show", "x", "--tenant", "acme"],
      ["finding", "show", id, "--tenant", "acme"], ["session", "show", id, "--tenant", "acme"],
      ["event", "show", id, "--tenant", "acme"], ["callback", "show", id, "--tenant", "acme"],
      ["reconcile", "show", id, "--tenant", "acme"], ["app-user", "show", "x", "--tenant", "acme"],
      ["connection", "list", "--tenant", "nobody"],
    ] {
      let outcome = try await CommandLineTool.run(arguments, database: deployment.database)
      #expect(outcome.code == 2, "\(arguments): \(outcome.errors)")
    }
  }
}
