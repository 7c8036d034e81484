import EmbedSQLParsing
import Foundation
import RegistryPostgres
import TestDatabase
import Testing

/// `sql/citus.sql` is not embedded; it is read from where this test stands.
@Suite("The script for Citus", .migratedDatabase)
struct CitusScriptTests {
  private func run(on database: PostgresPool) async throws {
    let file = URL(filePath: #filePath).appending(path: "../../../../sql/citus.sql").standardized
    let text = try String(contentsOf: file, encoding: .utf8)
    for statement in SQLStatement.split(try SQLScanner.tokens(of: text, file: "citus.sql"), of: text) {
      try await database.execute(statement.text)
    }
  }

  @Test("does nothing on plain PostgreSQL")
  func plain() async throws {
    try await withDatabase { database in
      try await run(on: database)
      try await run(on: database)
      let settings = try await database.texts(
        """
        SELECT unnest(s.setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
        WHERE d.datname = current_database()
        """)
      #expect(settings == [])
    }
  }

  @Test("distributes every tenant table once, referred ones first, all beside the tenant")
  func distributes() async throws {
    try await withDatabase { database in
      // Citus' function and catalogue, as far as the script asks them.
      try await database.execute(
        "CREATE TABLE public.pg_dist_partition (position bigint GENERATED ALWAYS AS IDENTITY, logicalrelid regclass, beside text)"
      )
      try await database.execute(
        """
        CREATE FUNCTION public.create_distributed_table(regclass, text, colocate_with text) RETURNS void LANGUAGE sql AS
        $$ INSERT INTO public.pg_dist_partition (logicalrelid, beside) VALUES ($1, $3) $$
        """)
      try await run(on: database)
      try await run(on: database)
      let order = try await database.texts("SELECT logicalrelid::text FROM public.pg_dist_partition ORDER BY position")
      #expect(order.first == "registry.tenant")
      let tables = try await database.texts(
        """
        SELECT c.oid::regclass::text FROM pg_class c
        WHERE c.relnamespace = 'registry'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> ALL ($1::text[])
        """, [.textArray(SchemaRules.tablesWithoutTenant)])
      #expect(order.sorted() == tables.sorted())
      let early = try await database.texts(
        """
        SELECT k.conname::text FROM pg_constraint k
        JOIN public.pg_dist_partition own ON own.logicalrelid = k.conrelid
        JOIN public.pg_dist_partition other ON other.logicalrelid = k.confrelid
        WHERE k.contype = 'f' AND other.position >= own.position
        """)
      #expect(early == [])
      let apart = try await database.texts(
        "SELECT logicalrelid::text FROM public.pg_dist_partition WHERE beside <> 'registry.tenant' ORDER BY 1")
      #expect(apart == ["registry.tenant"])
    }
  }
}
