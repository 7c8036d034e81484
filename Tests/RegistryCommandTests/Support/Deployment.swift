import Foundation
import EmbeddedPostgres
import Logging
import TerraSandbox
import TestDatabase
import Testing

/// A migrated database with tenants and keys, made by the commands.
struct Deployment: Sendable {
  /// The signing secret of the tenant `acme`.
  static let secret = "acme-signing-secret"

  let database: String

  /// Makes the database and the tenant `acme`.
  ///
  /// - Parameter terra: Where Terra's stand-in is, when sessions are opened.
  /// - Returns: The deployment.
  /// - Throws: What keeps the database or the tenant from being made.
  static func make(terra: String = "http://127.0.0.1:9") async throws -> Deployment {
    let deployment = Deployment(database: try await TestDatabase.shared.migratedDatabase())
    try await deployment.addTenant("acme", terra: terra)
    return deployment
  }

  /// Makes a tenant.
  func addTenant(_ slug: String, terra: String = "http://127.0.0.1:9") async throws {
    _ = try await CommandLineTool.json(
      [
        "tenant", "create", slug, "--environment", "testing", "--dev-id", "\(slug)-dev-id", "--return-url",
        "https://app.acme.io/devices", "--return-url", "http://localhost:3000/devices", "--terra-base-url",
        "\(terra)/v2", "--terra-widget-url", "\(terra)/api/widget/session", "--grace", "5s",
      ], database: database,
      environment: [
        "REGISTRY_TENANT_TERRA_API_KEY": "\(slug)-api-key", "REGISTRY_TENANT_SIGNING_SECRET": "\(slug)-signing-secret",
      ])
  }

  /// Makes an API key.
  func key(tenant: String = "acme", scopes: [String] = ["sessions:write", "connections:read"]) async throws -> String {
    let made = try await CommandLineTool.json(
      ["key", "create", "--tenant", tenant, "--name", "tests"] + scopes.flatMap { ["--scope", $0] }, database: database)
    return try #require(made["secret"] as? String)
  }

  /// The items of a list that a command prints.
  func items(_ arguments: [String], tenant: String = "acme") async throws -> [[String: Any]] {
    let list = try await CommandLineTool.json(arguments + ["--tenant", tenant, "--all"], database: database)
    return try #require(list["items"] as? [[String: Any]])
  }

  /// The rows of a table.
  func count(_ table: String) async throws -> Int {
    let output = try await execute("SELECT count(*) FROM \(table)")
    return try #require(Int(output.trimmingCharacters(in: .whitespacesAndNewlines)))
  }

  /// Runs SQL as the database's owner.
  ///
  /// - Returns: what psql prints: a line for each row, columns apart by `|`.
  @discardableResult
  func execute(_ sql: String) async throws -> String {
    try await TestDatabase.shared.embeddedCluster().runClient(
      "psql", ["-X", "-At", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql])
  }

  /// Lets time pass for everything that was recorded, by moving it into the past.
  func letPass(seconds: Int) async throws {
    try await execute(
      """
      DO $$
      DECLARE
        moved record;
      BEGIN
        FOR moved IN
          SELECT c.table_name,
            string_agg(format('%1$I = %1$I - make_interval(secs => \(seconds))', c.column_name), ', ') AS sets
          FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
          WHERE c.table_schema = 'registry' AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER'
            AND c.data_type = 'timestamp with time zone' AND c.table_name <> 'migration_log'
          GROUP BY c.table_name
        LOOP
          EXECUTE format('UPDATE registry.%I SET %s', moved.table_name, moved.sets);
        END LOOP;
      END $$
      """)
  }

  /// Runs the service on this database.
  func serve<Value: Sendable>(
    environment: [String: String] = [:], isKilled: Bool = false, _ body: (ServiceProcess) async throws -> Value
  ) async throws -> Value {
    try await ServiceProcess.with(database: database, environment: environment, isKilled: isKilled, body)
  }
}

/// Terra's stand-in inside the test's process.
enum TerraStandIn {
  /// Runs the sandbox with an environment `acme` for as long as a closure runs.
  static func with<Value: Sendable>(_ body: (Sandbox, String) async throws -> Value) async throws -> Value {
    let sandbox = try Sandbox(
      configuration: SandboxConfiguration(environments: [
        SandboxEnvironment(slug: "acme"), SandboxEnvironment(slug: "globex"),
      ]), logger: Logger(label: "sandbox"))
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await sandbox.run() }
      let port = try await sandbox.boundPort()
      let value = try await body(sandbox, "http://127.0.0.1:\(port)")
      group.cancelAll()
      return value
    }
  }
}
