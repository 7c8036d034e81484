import RegistryPostgres
import RegistrySQL
import TestDatabase
import Testing

/// The server itself checks names, types and permissions; a typing error in SQL must not wait for its first caller.
@Suite("Every named statement against the migrated schema", .migratedDatabase)
struct PreparedStatementTests {
  /// Statements that PREPARE does not take, which the migrator's own tests run, and what is read of another database.
  private static let utilities: Set<String> = [
    "change_offset_lock", "migration_log_create", "migration_log_lock", "migration_schema_create",
    "terra_users_read",
  ]

  @Test("PREPARE and a plan, as the role that runs it", arguments: NamedStatement.Role.allCases)
  func prepares(role: NamedStatement.Role) async throws {
    let statements = RegistryStatements.all.filter { $0.role == role && !Self.utilities.contains($0.name) }
    #expect(!statements.isEmpty)
    try await withDatabase(role: role.databaseRole, connections: 1) { pool in
      for statement in statements {
        let failure = await Self.failure(of: statement, in: pool)
        #expect(failure == nil, "\(statement.name) as \(role): \(failure ?? "")")
      }
    }
  }

  @Test("in a READ ONLY transaction the server runs what was told to read only, and nothing else")
  func readsOnly() async throws {
    try await withDatabase(connections: 1) { owner in
      // Of no tenant nothing is told, so there is nothing to refuse.
      let skipped = Self.utilities.union([RegistryStatements.changeWake.name])
      for statement in RegistryStatements.all where !skipped.contains(statement.name) {
        let nulls = Array(repeating: "NULL", count: statement.parameterCount).joined(separator: ", ")
        try await owner.execute("PREPARE p AS \(statement.text)")
        var refused = false
        do {
          try await owner.withTransaction(level: .serverDefault.readOnly) { transaction in
            _ = try await transaction.execute("EXECUTE p\(nulls.isEmpty ? "" : "(\(nulls))")")
          }
        } catch SQLState.readOnlySQLTransaction {
          refused = true
        }
        // A NOTIFY is taken for a write, and the server lets readers send one.
        #expect(refused == !statement.isReadOnly || statement.name == "delivery_wake", "\(statement.name)")
        try await owner.execute("DEALLOCATE p")
      }
    }
  }

  @Test("a statement that names no column of the schema, or has no permission, is noticed")
  func noticesMistakes() async throws {
    let list = RegistryStatements.tenantList
    try await withDatabase(role: "registry_service", connections: 1) { pool in
      let unknown = await Self.failure(
        name: "mistake", text: "SELECT no_such FROM registry.tenant", parameters: 0, in: pool)
      #expect(unknown?.contains("42703") == true, "\(unknown ?? "none")")
      let forbidden = await Self.failure(
        name: "mistake", text: "DELETE FROM registry.tenant WHERE tenant_id = $1", parameters: 1, in: pool)
      #expect(forbidden?.contains("42501") == true, "\(forbidden ?? "none")")
    }
    try await withDatabase(connections: 1) { owner in
      _ = try await owner.execute("REVOKE SELECT ON registry.tenant FROM registry_worker")
    }
    try await withDatabase(role: "registry_worker", connections: 1) { pool in
      let revoked = await Self.failure(of: list, in: pool)
      #expect(revoked?.contains("42501") == true, "\(revoked ?? "none")")
    }
  }

  private static func failure(of statement: NamedStatement, in pool: PostgresPool) async -> String? {
    await failure(name: statement.name, text: statement.text, parameters: statement.parameterCount, in: pool)
  }

  private static func failure(name: String, text: String, parameters: Int, in pool: PostgresPool) async -> String? {
    let arguments =
      parameters == 0 ? "" : "(" + Array(repeating: "NULL", count: parameters).joined(separator: ", ") + ")"
    do {
      try await pool.withConnection { connection in
        try await connection.execute("PREPARE \(name) AS \(text)")
        // EXPLAIN starts the executor, which is where permissions are checked.
        try await connection.execute("EXPLAIN EXECUTE \(name)\(arguments)")
        try await connection.execute("DEALLOCATE \(name)")
      }
      return nil
    } catch let error as PostgresError {
      return "\(error.sqlState.map { "\($0)" } ?? "") \(String(reflecting: error))"
    } catch {
      return "\(error)"
    }
  }
}
