import EmbedSQLParsing
import Foundation
import RegistrySQL
import Testing

@Suite("One SQL for plain PostgreSQL and Citus: what can be told by reading")
struct StatementRulesTests {
  /// Statements that look across tenants on purpose; none of them runs as the service.
  private static let acrossTenants: [String: [String]] = [
    "tenant_list": ["tenant t"],
    // The index on user_id finds the other tenant, and only that there is one is told.
    "reconcile_foreign_claims": ["connection k"], "reconcile_standing_foreign_claims": ["connection k"],
    "change_offset_tenants_ahead": ["change_consumer c", "connection_change h", "tenant t"],
    "change_offset_raise": ["change_consumer c", "connection_change h", "tenant o", "tenant t"],
    "connection_of_another_tenant": ["connection c", "tenant t"],
    "change_offset_lock": ["connection_change"], "change_wake": [],
    "delivery_due": ["delivery d", "endpoint e", "tenant t"], "delivery_old": ["delivery d", "endpoint e"],
    // Who is due is asked of one small table.
    "reconciliation_due": ["reconciliation_state s", "tenant t"],
    "reconciliation_next_due": ["reconciliation_state s"],
    "reconciliation_schedule_list": ["reconciliation_state s", "tenant t"],
    "migration_log_exists": [], "migration_log_list": ["migration_log"],
    "migration_log_insert": ["INSERT INTO migration_log"],
    "migration_log_create": ["migration_log"], "migration_log_lock": ["migration_log"],
  ]

  @Test("no statement uses what Citus or row-level security forbids", arguments: RegistryStatements.all)
  func rules(statement: NamedStatement) throws {
    #expect(try StatementReading(statement).violations == [])
  }

  @Test(
    "each table of each statement is held to the tenant by a predicate of its own", arguments: RegistryStatements.all)
  func tenantPredicate(statement: NamedStatement) throws {
    let missing = try StatementReading(statement).tablesWithoutTenant
    if let allowed = Self.acrossTenants[statement.name] {
      #expect(statement.role != .service)
      #expect(missing == allowed)
    } else {
      #expect(missing == [])
    }
  }

  @Test("prepared names are unique and take parameters from $1 on")
  func names() {
    #expect(Set(RegistryStatements.all.map(\.name)).count == RegistryStatements.all.count)
    #expect(RegistryStatements.all.allSatisfy { !$0.text.isEmpty && !$0.text.hasSuffix(";") })
  }

  @Test(
    "each rule notices its breach",
    arguments: [
      ("SELECT t.* FROM registry.tenant t WHERE t.tenant_id = $1", "SELECT *"),
      ("SELECT a, * FROM registry.tenant WHERE tenant_id = $1", "SELECT *"),
      ("MERGE INTO registry.tenant t USING x ON t.tenant_id = $1 WHEN MATCHED THEN DO NOTHING", "merge"),
      ("SELECT set_config('registry.tenant_id', $1, true)", "set_config"),
      ("SELECT pg_try_advisory_lock($1)", "advisory"),
      (
        "INSERT INTO registry.a (tenant_id) VALUES ($1) ON CONFLICT (tenant_id) DO UPDATE SET at = now()",
        "DO UPDATE SET"
      ),
      (
        "INSERT INTO registry.a (tenant_id) VALUES ($1) ON CONFLICT (tenant_id) DO UPDATE SET at = greatest(a.at, now()) WHERE true",
        "DO UPDATE SET"
      ),
      ("UPDATE registry.a SET b = 1 WHERE tenant_id = $1 RETURNING now()", "RETURNING"),
      ("WITH w AS (INSERT INTO registry.a (tenant_id) VALUES ($1)) SELECT 1", "WITH"),
      ("UPDATE registry.a SET b = 1, tenant_id = $2 WHERE tenant_id = $1", "SET tenant_id"),
      ("SELECT 1 FROM registry.a WHERE tenant_id = $1 AND b LIKE $2", "like"),
      ("SELECT gen_random_uuid()", "volatile"),
    ])
  func noticesBreach(text: String, words: String) throws {
    let violations = try StatementReading(name: "mistake", text: text).violations
    #expect(violations.contains { $0.contains(words) }, "\(violations)")
  }

  @Test(
    "a table without its own tenant predicate is noticed",
    arguments: [
      ("SELECT 1 FROM registry.a", ["a"]),
      ("SELECT 1 FROM registry.a x JOIN registry.b y ON y.id = x.id WHERE x.tenant_id = $1", ["b y"]),
      (
        "SELECT 1 FROM registry.a x WHERE x.tenant_id = $1 AND EXISTS (SELECT 1 FROM registry.a x WHERE x.id = $2)",
        ["a x"]
      ),
      ("SELECT 1 FROM registry.a x JOIN registry.b y ON y.tenant_id = x.tenant_id WHERE x.tenant_id = $1", ["b y"]),
      ("SELECT 1 FROM registry.a WHERE tenant_id = $2", ["a"]),
      ("DELETE FROM registry.a WHERE id = $1", ["a"]),
      ("UPDATE registry.a SET b = 1", ["a"]),
      ("INSERT INTO registry.a (id, tenant_id) VALUES ($1, $2)", ["INSERT INTO a"]),
      ("INSERT INTO registry.a (tenant_id) VALUES ($2)", ["INSERT INTO a"]),
      ("INSERT INTO registry.a (tenant_id) SELECT $1 FROM registry.b", ["b"]),
      (
        "INSERT INTO registry.a AS x (tenant_id) VALUES ($1) ON CONFLICT (tenant_id) DO UPDATE SET b = 1",
        ["ON CONFLICT DO UPDATE of a"]
      ),
    ] as [(String, [String])])
  func noticesMissingTenant(text: String, missing: [String]) throws {
    #expect(try StatementReading(name: "mistake", text: text).tablesWithoutTenant == missing)
  }

  @Test("migrations use nothing that Citus or managed PostgreSQL refuses", arguments: RegistryMigrations.all)
  func migrations(migration: Migration) throws {
    for text in migration.statements {
      let words = try SQLScanner.tokens(of: text, file: migration.fileName).compactMap { token -> String? in
        if case .word(let word) = token.kind { word } else { nil }
      }
      let forbidden: Set<String> = ["trigger", "force", "bypassrls", "serial", "bigserial", "superuser", "set_config"]
      #expect(forbidden.isDisjoint(with: words), "\(migration.fileName): \(forbidden.intersection(words))")
      // Which such functions there may be, the rules of the schema say.
      #expect(
        ["registry_api", "erasure", "registry_api_tags"].contains(migration.name)
          || !words.joined(separator: " ").contains("security definer"))
      #expect(migration.isTransactional || words.contains("concurrently"))
    }
  }
}
