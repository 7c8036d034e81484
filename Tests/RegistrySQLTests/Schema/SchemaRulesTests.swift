import Foundation
import RegistryPostgres
import RegistrySQL
import TestDatabase
import Testing

/// Rules of the schema, asked of the catalogue of a migrated database. Each query lists the breaches.
enum SchemaRules {
  /// What has no tenant: the migrator's own log.
  static let tablesWithoutTenant = ["migration_log"]

  /// Each rule's name and the query that lists what breaks it.
  static let queries: [(rule: String, text: String)] = [
    (
      "every table has a tenant_id that is a uuid and never null",
      """
      SELECT c.relname::text FROM pg_class c
      WHERE c.relnamespace = 'registry'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> ALL ($1::text[])
        AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'
          AND a.atttypid = 'uuid'::regtype AND a.attnotnull)
      """
    ),
    (
      "every primary key and unique index begins with tenant_id",
      """
      SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
      WHERE c.relnamespace = 'registry'::regnamespace AND c.relname <> ALL ($1::text[]) AND i.indisunique
        AND NOT EXISTS (SELECT FROM pg_attribute a
          WHERE a.attrelid = i.indrelid AND a.attname = 'tenant_id' AND a.attnum = i.indkey[0])
      """
    ),
    (
      "every table has a primary key",
      """
      SELECT c.relname::text FROM pg_class c
      WHERE c.relnamespace = 'registry'::regnamespace AND c.relkind IN ('r', 'p')
        AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
        AND $1::text[] IS NOT NULL
      """
    ),
    (
      "every foreign key joins tenant_id to tenant_id first",
      """
      SELECT k.conname::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
      WHERE c.relnamespace = 'registry'::regnamespace AND k.contype = 'f' AND $1::text[] IS NOT NULL
        AND NOT EXISTS (
          SELECT FROM pg_attribute own JOIN pg_attribute other ON other.attrelid = k.confrelid
          WHERE own.attrelid = k.conrelid AND own.attnum = k.conkey[1] AND own.attname = 'tenant_id'
            AND other.attnum = k.confkey[1] AND other.attname = 'tenant_id')
      """
    ),
    (
      "every table leads to its tenant by a foreign key",
      """
      SELECT c.relname::text FROM pg_class c
      WHERE c.relnamespace = 'registry'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> ALL ($1::text[])
        AND c.relname <> 'tenant'
        AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f')
      """
    ),
    (
      "row-level security is enabled and not forced",
      """
      SELECT c.relname::text FROM pg_class c
      WHERE c.relnamespace = 'registry'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> ALL ($1::text[])
        AND (NOT c.relrowsecurity OR c.relforcerowsecurity)
      """
    ),
    (
      "every table has a policy that holds the service to the tenant that is set",
      """
      SELECT c.relname::text FROM pg_class c
      WHERE c.relnamespace = 'registry'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> ALL ($1::text[])
        AND NOT EXISTS (
          SELECT FROM pg_policies p
          WHERE p.schemaname = 'registry' AND p.tablename = c.relname AND p.roles = '{registry_service}' AND p.cmd = 'ALL'
            AND position('(tenant_id = (NULLIF(current_setting(''registry.tenant_id''::text, true), ''''::text))::uuid)'
                         IN p.qual) > 0
            AND (p.with_check IS NULL OR position('current_setting(' IN p.with_check) > 0))
      """
    ),
    (
      "policies name one role, are permissive, and hold no subquery",
      """
      SELECT p.tablename || '.' || p.policyname FROM pg_policies p
      WHERE p.schemaname = 'registry' AND $1::text[] IS NOT NULL
        AND (p.roles NOT IN ('{registry_service}', '{registry_worker}', '{registry_embedding}') OR p.permissive <> 'PERMISSIVE'
             OR concat(p.qual, p.with_check) ~* 'select')
      """
    ),
    (
      "one policy per table and role, because several are joined by OR",
      """
      SELECT p.tablename::text FROM pg_policies p
      WHERE p.schemaname = 'registry' AND $1::text[] IS NOT NULL
      GROUP BY p.tablename, p.roles HAVING count(*) > 1
      """
    ),
    (
      "the service, the worker and those who embed own no table and inherit nothing",
      """
      SELECT r.rolname::text FROM pg_roles r
      WHERE r.rolname IN ('registry_service', 'registry_worker', 'registry_embedding', 'registry_embedder')
        AND $1::text[] IS NOT NULL
        AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolcanlogin
          OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)
          OR EXISTS (SELECT FROM pg_shdepend d WHERE d.refobjid = r.oid AND d.deptype = 'o'
              AND NOT (r.rolname = 'registry_embedding' AND d.classid = 'pg_proc'::regclass)
              AND d.dbid IN (0, (SELECT b.oid FROM pg_database b WHERE b.datname = current_database()))))
      """
    ),
    (
      "nothing is granted to everyone",
      """
      SELECT c.relname::text FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
      WHERE c.relnamespace = 'registry'::regnamespace AND a.grantee = 0 AND $1::text[] IS NOT NULL
      UNION ALL
      SELECT n.nspname::text FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a
      WHERE n.nspname = 'registry' AND a.grantee = 0
      """
    ),
    (
      "neither role may truncate, reference or create",
      """
      SELECT c.relname || ' ' || a.privilege_type FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
      JOIN pg_roles r ON r.oid = a.grantee
      WHERE c.relnamespace = 'registry'::regnamespace AND r.rolname LIKE 'registry\\_%'
        AND a.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') AND $1::text[] IS NOT NULL
      UNION ALL
      SELECT 'schema ' || a.privilege_type FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a
      JOIN pg_roles r ON r.oid = a.grantee
      WHERE n.nspname LIKE 'registry%' AND r.rolname LIKE 'registry\\_%' AND a.privilege_type <> 'USAGE'
      UNION ALL
      SELECT c.relname || ' to those who embed' FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
      WHERE c.relnamespace = 'registry'::regnamespace AND a.grantee = 'registry_embedder'::regrole
      UNION ALL
      SELECT p.proname || ' to everyone' FROM pg_proc p
      CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
      WHERE p.pronamespace = 'registry_api'::regnamespace
        AND (a.grantee = 0 OR NOT p.prosecdef AND a.grantee <> p.proowner)
      """
    ),
    (
      "no triggers, no sequences of integers, and functions that run as their owner only for those who embed",
      """
      SELECT t.tgname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
      WHERE c.relnamespace = 'registry'::regnamespace AND NOT t.tgisinternal AND $1::text[] IS NOT NULL
      UNION ALL
      SELECT s.sequencename::text FROM pg_sequences s WHERE s.schemaname = 'registry' AND s.data_type <> 'bigint'::regtype
      UNION ALL
      SELECT p.proname::text FROM pg_proc p
      WHERE p.pronamespace IN (SELECT n.oid FROM pg_namespace n WHERE n.nspname LIKE 'registry%') AND p.prosecdef
        AND (p.pronamespace <> 'registry_api'::regnamespace OR p.proowner <> 'registry_embedding'::regrole
          OR NOT coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp', 'registry.tenant_id='], false))
      """
    ),
    (
      "texts that stand in keys and registers sort by their bytes",
      """
      SELECT a.attrelid::regclass || '.' || a.attname
      FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
      JOIN pg_class c ON c.oid = i.indrelid JOIN pg_collation l ON l.oid = a.attcollation
      WHERE c.relnamespace = 'registry'::regnamespace AND i.indisunique AND l.collname <> 'C'
        AND a.attrelid::regclass::text || '.' || a.attname <> ALL
          (ARRAY['registry.webhook_receipt_count.disposition']) AND $1::text[] IS NOT NULL
      UNION ALL
      SELECT 'connection.' || a.attname FROM pg_attribute a JOIN pg_collation l ON l.oid = a.attcollation
      WHERE a.attrelid = 'registry.connection'::regclass AND l.collname <> 'C'
      """
    ),
  ]

  /// Everything that breaks a rule, each with the rule's name.
  static func breaches(in database: some PostgresExecutor) async throws -> [String] {
    var found: [String] = []
    for query in queries {
      for breach in try await database.texts(query.text, [.textArray(tablesWithoutTenant)]) {
        found.append("\(query.rule): \(breach)")
      }
    }
    return found
  }
}

@Suite("The schema keeps the rules of tenancy and of Citus", .migratedDatabase)
struct SchemaRulesTests {
  @Test("as it is migrated")
  func holds() async throws {
    try await withDatabase { database in
      let breaches = try await SchemaRules.breaches(in: database)
      #expect(breaches == [])
    }
  }

  @Test(
    "each breach is noticed",
    arguments: [
      "DROP POLICY service ON registry.auth_event",
      "ALTER TABLE registry.connection DISABLE ROW LEVEL SECURITY",
      "ALTER TABLE registry.connection FORCE ROW LEVEL SECURITY",
      "CREATE POLICY everyone ON registry.app_user USING (true)",
      "CREATE POLICY second ON registry.app_user TO registry_service USING (true)",
      "ALTER POLICY service ON registry.finding USING (true)",
      "ALTER POLICY service ON registry.app_user USING (EXISTS (SELECT 1))",
      "ALTER TABLE registry.app_user OWNER TO registry_service",
      "GRANT SELECT ON registry.app_user TO PUBLIC",
      "GRANT TRUNCATE ON registry.app_user TO registry_service",
      "CREATE TABLE registry.stray (id bigint PRIMARY KEY)",
      "CREATE UNIQUE INDEX stray ON registry.connection (user_id)",
      "ALTER TABLE registry.connection_change ADD CONSTRAINT stray FOREIGN KEY (user_id, tenant_id) REFERENCES registry.connection (user_id, tenant_id)",
      "ALTER TABLE registry.finding DROP CONSTRAINT finding_tenant",
      "ALTER TABLE registry.app_user DROP CONSTRAINT app_user_pkey CASCADE",
      "GRANT EXECUTE ON FUNCTION registry_api.enter(text) TO registry_embedder",
      "GRANT EXECUTE ON FUNCTION registry_api.hold_connection(uuid, text) TO registry_embedder",
      "GRANT EXECUTE ON FUNCTION registry_api.connection(text, text) TO PUBLIC",
      "GRANT SELECT ON registry.connection TO registry_embedder",
      "ALTER FUNCTION registry_api.connection(text, text) RESET ALL",
      "ALTER FUNCTION registry_api.enter(text) SECURITY DEFINER",
      "ALTER TABLE registry.connection ALTER COLUMN scopes TYPE text COLLATE \"POSIX\"",
    ])
  func notices(breach: String) async throws {
    try await withDatabase { database in
      if breach.contains("(user_id, tenant_id)") {
        try await database.execute("CREATE UNIQUE INDEX turned ON registry.connection (user_id, tenant_id)")
        #expect(try await SchemaRules.breaches(in: database).count == 1)
        try await database.execute(breach)
        #expect(try await SchemaRules.breaches(in: database).count == 2)
        return
      }
      try await database.execute(breach)
      #expect(try await SchemaRules.breaches(in: database) != [])
    }
  }
}
