import Foundation
import RegistryPostgres
import RegistrySQL
import TestDatabase
import Testing

/// What a transaction says about its tenant.
enum TenantSetting: CaseIterable, CustomTestStringConvertible {
  case missing, empty, malformed, unknown, right

  var settings: [PostgresBatch.Setting] {
    get throws {
      switch self {
      case .missing: []
      case .empty: [try .init("registry.tenant_id", "")]
      case .malformed: [try .init("registry.tenant_id", "not-a-uuid")]
      case .unknown: [try .tenant(UUID())]
      case .right: [try .tenant(Tenants.first)]
      }
    }
  }

  var testDescription: String { "\(self)" }
}

@Suite("Nobody sees or touches another tenant's rows", .migratedDatabase)
struct TenancyTests {
  /// What the worker may see across tenants; every other table is closed to it.
  private static let workerTables: [String: [String]] = [
    "tenant": ["tenant_id"], "redirect_callback": ["tenant_id"], "connection": ["tenant_id"], "finding": ["tenant_id"],
    "finding_change": ["tenant_id"], "reconciliation_state": ["tenant_id"],
    "connection_change": ["tenant_id"], "change_consumer": ["tenant_id"],
    "endpoint": ["tenant_id"], "delivery": ["tenant_id"],
  ]

  private func fill(_ owner: PostgresPool) async throws {
    for (tenant, text) in [(Tenants.first, "one"), (Tenants.second, "second")] {
      for insert in TenantRows.inserts { try await owner.execute(insert.text, [.uuid(tenant), .text(text)]) }
    }
  }

  /// The tenants whose rows a role sees in a table, or the SQLSTATE that keeps it out.
  private func visible(
    _ table: String, to pool: PostgresPool, _ setting: TenantSetting
  ) async throws -> Result<Set<String>, PostgresError> {
    do {
      let results = try await pool.execute(
        PostgresBatch(
          settings: try setting.settings,
          statements: [PostgresStatement("SELECT DISTINCT t.tenant_id::text AS tenant FROM registry.\(table) t")]))
      return .success(Set(try results[0].rows.map { try $0.decode("tenant", as: String.self) }))
    } catch let error as PostgresError {
      return .failure(error)
    }
  }

  @Test("the rows cover every table of the schema")
  func coverage() async throws {
    try await withDatabase { owner in
      let tables = try await owner.texts(
        "SELECT c.relname::text AS name FROM pg_class c WHERE c.relnamespace = 'registry'::regnamespace AND c.relkind IN ('r', 'p')"
      )
      #expect(Set(tables).subtracting(SchemaRules.tablesWithoutTenant) == Set(TenantRows.inserts.map(\.table)))
      try await fill(owner)
      for table in tables where !SchemaRules.tablesWithoutTenant.contains(table) {
        #expect(try await owner.count("SELECT count(DISTINCT tenant_id) FROM registry.\(table)") == 2, "\(table)")
      }
    }
  }

  @Test("the service sees its tenant's rows, and none without a tenant", arguments: TenantSetting.allCases)
  func service(setting: TenantSetting) async throws {
    try await withDatabase { try await fill($0) }
    try await withDatabase(role: "registry_service", connections: 1) { pool in
      for (table, _) in TenantRows.inserts {
        switch (setting, try await visible(table, to: pool, setting)) {
        case (.right, .success(let tenants)):
          #expect(tenants == [Tenants.first.uuidString.lowercased()], "\(table)")
        case (.malformed, .failure(let error)):
          #expect(error.sqlState == SQLState("22P02"), "\(table)")
        case (_, .success(let tenants)):
          #expect(setting != .malformed && tenants.isEmpty, "\(table)")
        case (_, .failure(let error)): Issue.record(error, "\(table)")
        }
      }
    }
  }

  @Test("the worker sees across tenants only what it is granted", arguments: TenantSetting.allCases)
  func worker(setting: TenantSetting) async throws {
    try await withDatabase { try await fill($0) }
    try await withDatabase(role: "registry_worker", connections: 1) { pool in
      for (table, _) in TenantRows.inserts {
        switch try await visible(table, to: pool, setting) {
        case .success(let tenants):
          #expect(Self.workerTables[table] != nil, "\(table) is open to the worker")
          #expect(tenants.count == 2, "\(table)")
        case .failure(let error):
          #expect(Self.workerTables[table] == nil && error.sqlState == .insufficientPrivilege, "\(table): \(error)")
        }
      }
      let secrets = try? await pool.execute(
        "SELECT t.return_urls, c.reference_id FROM registry.tenant t, registry.connection c")
      #expect(secrets == nil, "the worker reads an app user's reference_id")
    }
  }

  @Test("findings for operators stay out of the tenant's sight, and the others out of the worker's")
  func operatorFindings() async throws {
    try await withDatabase { try await fill($0) }
    let count = PostgresStatement("SELECT count(*) AS n, bool_or(for_operators) AS operators FROM registry.finding")
    try await withDatabase(role: "registry_service") { pool in
      let row = try await pool.execute(PostgresBatch(settings: [.tenant(Tenants.first)], statements: [count]))[0].rows[
        0]
      #expect(try row.decode("n", as: Int.self) == 1)
      #expect(try row.decode("operators", as: Bool.self) == false)
    }
    try await withDatabase(role: "registry_worker") { pool in
      let row = try await pool.execute(count).rows[0]
      #expect(try row.decode("n", as: Int.self) == 2)
      #expect(try await pool.count("SELECT count(*) FROM registry.finding WHERE NOT for_operators") == 0)
    }
  }

  @Test(
    "the service cannot write a row of another tenant, nor move one there", arguments: TenantRows.inserts.map(\.table))
  func foreignWrites(table: String) async throws {
    try await withDatabase { try await fill($0) }
    let insert = try #require(TenantRows.inserts.first { $0.table == table }).text
    let foreign = UUID()
    try await withDatabase(role: "registry_service") { pool in
      let written = await #expect(throws: PostgresError.self) {
        try await pool.execute(
          PostgresBatch(
            settings: [.tenant(Tenants.first)],
            statements: [
              PostgresStatement(insert, [.uuid(table == "tenant" ? foreign : Tenants.second), .text("third")])
            ]))
      }
      #expect(written?.sqlState == .insufficientPrivilege)
      let changes = [
        "UPDATE registry.\(table) SET tenant_id = tenant_id WHERE tenant_id = $1",
        "DELETE FROM registry.\(table) WHERE tenant_id = $1",
      ]
      for change in changes {
        let result = try? await pool.execute(
          PostgresBatch(
            settings: [.tenant(Tenants.first)], statements: [PostgresStatement(change, [.uuid(Tenants.second)])]))
        #expect(result?[0].affectedRows ?? 0 == 0, "\(change)")
      }
      let moved = try? await pool.execute(
        PostgresBatch(
          settings: [.tenant(Tenants.first)],
          statements: [
            PostgresStatement(
              "UPDATE registry.\(table) SET tenant_id = $1 WHERE tenant_id = $2",
              [.uuid(foreign), .uuid(Tenants.first)])
          ]))
      #expect(moved == nil)
    }
    try await withDatabase { owner in
      let tenants = try await owner.count("SELECT count(DISTINCT tenant_id) FROM registry.\(table)")
      #expect(tenants == 2)
    }
  }

  @Test("a pooled connection forgets its tenant with the transaction, also with one that failed")
  func pooledConnection() async throws {
    try await withDatabase { try await fill($0) }
    try await withDatabase(role: "registry_service", connections: 1) { pool in
      let count = PostgresStatement("SELECT count(*) AS n FROM registry.connection")
      let seen = try await pool.execute(PostgresBatch(settings: [.tenant(Tenants.first)], statements: [count]))
      #expect(try seen[0].rows[0].decode("n", as: Int.self) == 1)
      #expect(try await pool.count(count.text) == 0)
      _ = try? await pool.execute(
        PostgresBatch(settings: [.tenant(Tenants.first)], statements: [count, PostgresStatement("SELECT 1 / 0")]))
      #expect(try await pool.count(count.text) == 0)
      try? await pool.withTransaction(settings: [.tenant(Tenants.second)]) { transaction in
        let inside = try await transaction.count(count.text)
        #expect(inside == 1)
        throw CancellationError()
      }
      #expect(try await pool.count(count.text) == 0)
    }
  }

  @Test("a dropped policy or a lost fence is noticed")
  func noticesLostFence() async throws {
    try await withDatabase { owner in
      try await fill(owner)
      try await owner.execute("ALTER TABLE registry.auth_event DISABLE ROW LEVEL SECURITY")
      try await owner.execute("DROP POLICY service ON registry.app_user")
    }
    try await withDatabase(role: "registry_service") { pool in
      let unfenced = try await visible("auth_event", to: pool, .right).get()
      #expect(unfenced.count == 2)
      let withoutPolicy = try await visible("app_user", to: pool, .right).get()
      #expect(withoutPolicy.isEmpty)
    }
  }
}
