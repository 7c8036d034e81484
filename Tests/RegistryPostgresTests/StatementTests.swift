import Foundation
import RegistryPostgres
import TestDatabase
import Testing

@Suite(.database)
struct StatementTests {
  @Test func returnsRowsAndCounts() async throws {
    try await withTestPool { pool in
      let selected = try await pool.execute("SELECT 1 AS one, 'a' AS letter UNION ALL SELECT 2, NULL ORDER BY one")
      #expect(selected.columnNames == ["one", "letter"])
      #expect(try selected.rows.map { try $0.decode("one", as: Int.self) } == [1, 2])
      #expect(try selected.rows.map { try $0.decodeIfPresent("letter", as: String.self) } == ["a", nil])
      try await pool.execute("CREATE TABLE item (id bigint)")
      let inserted = try await pool.execute("INSERT INTO item SELECT generate_series(1, 5)")
      #expect(inserted.affectedRows == 5)
      #expect(inserted.rows.isEmpty)
    }
  }

  @Test func batchIsOneTransaction() async throws {
    try await withTestPool { pool in
      try await pool.execute("CREATE TABLE item (id bigint PRIMARY KEY)")
      let insert = PostgresStatement(name: "insert_item", "INSERT INTO item VALUES ($1)", [.int(1)])
      let results = try await pool.execute(
        PostgresBatch(
          settings: [try .init("registry.tenant_id", UUID())],
          statements: [
            insert, PostgresStatement("SELECT current_setting('registry.tenant_id') AS tenant"),
            PostgresStatement("SELECT count(*) AS n FROM item"),
          ]))
      #expect(results.count == 3)
      #expect(try results[2].rows[0].decode("n", as: Int.self) == 1)
      let error = await postgresError {
        try await pool.execute(
          PostgresBatch(statements: [
            PostgresStatement(name: "insert_item", "INSERT INTO item VALUES ($1)", [.int(2)]), insert,
            PostgresStatement("SELECT 1"),
          ]))
      }
      #expect(error?.statementIndex == 1)
      #expect(error?.isUniqueViolation == true)
      #expect(error?.mayHaveTakenEffect == false)
      let rows = try await pool.execute("SELECT id FROM item").rows
      #expect(try rows.map { try $0.decode("id", as: Int.self) } == [1])
    }
  }

  @Test func transactionCommitsAndRollsBack() async throws {
    struct Refusal: Error {}
    try await withTestPool { pool in
      try await pool.execute("CREATE TABLE item (id bigint PRIMARY KEY)")
      try await pool.withTransaction { transaction in
        try await transaction.execute("INSERT INTO item VALUES (1)")
      }
      await #expect(throws: Refusal.self) {
        try await pool.withTransaction { transaction in
          try await transaction.execute("INSERT INTO item VALUES (2)")
          throw Refusal()
        }
      }
      #expect(try await pool.execute("SELECT id FROM item").count == 1)
    }
  }
}
