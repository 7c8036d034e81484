import RegistryPostgres
import TestDatabase
import Testing

@Suite(.database)
struct PreparedStatementServerTests {
  private let names = PostgresStatement("SELECT name, generic_plans + custom_plans AS runs FROM pg_prepared_statements")

  @Test func preparesOncePerConnection() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      for number in 0..<5 {
        let statement = PostgresStatement(name: "echo \"one\"", "SELECT $1::int AS number", [.int(number)])
        _ = try await pool.execute(statement)
        _ = try await pool.execute(PostgresBatch(statements: [statement, statement]))
      }
      let rows = try await pool.execute(names).rows
      #expect(try rows.map { try $0.decode("name", as: String.self) } == ["echo \"one\""])
      #expect(try rows[0].decode("runs", as: Int.self) == 15)
    }
  }

  @Test func keepsNoMoreThanTheLimit() async throws {
    try await withTestPool({
      $0.maximumConnections = 1
      $0.maximumPreparedStatements = 2
    }) { pool in
      for name in ["a", "b", "a", "c"] { _ = try await pool.execute(PostgresStatement(name: name, "SELECT 1")) }
      let kept = try await pool.execute(names).rows.map { try $0.decode("name", as: String.self) }
      #expect(Set(kept) == ["a", "c"])
      let batch = PostgresBatch(statements: ["d", "e", "f"].map { PostgresStatement(name: $0, "SELECT 1") })
      #expect(try await pool.execute(batch).count == 3)
      #expect(Set(try await pool.execute(names).rows.map { try $0.decode("name", as: String.self) }) == ["d", "e"])
    }
  }

  @Test func preparesNothingWhenTurnedOff() async throws {
    try await withTestPool({
      $0.maximumConnections = 1
      $0.preparesStatements = false
    }) { pool in
      _ = try await pool.execute(PostgresStatement(name: "a", "SELECT 1"))
      _ = try await pool.execute(PostgresBatch(statements: [PostgresStatement(name: "b", "SELECT 1")]))
      #expect(try await pool.execute(names).count == 0)
    }
  }

  @Test func survivesAChangedSchema() async throws {
    let select = PostgresStatement(name: "item_select", "SELECT * FROM item")
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      #expect(try await pool.execute(select).columnNames == ["id"])
      try await pool.execute("ALTER TABLE item ADD COLUMN name text")
      #expect(try await pool.execute(select).columnNames == ["id", "name"])
      try await pool.execute("ALTER TABLE item ADD COLUMN size int")
      #expect(try await pool.execute(PostgresBatch(statements: [select]))[0].columnNames == ["id", "name", "size"])
      try await pool.execute("ALTER TABLE item DROP COLUMN size")
      // Inside a transaction the statement fails, and the transaction may be tried again.
      let error = await postgresError { try await pool.withTransaction { try await $0.execute(select) } }
      #expect(error?.sqlState == .featureNotSupported)
      #expect(error?.isRetryable == true)
      #expect(try await pool.withTransaction { try await $0.execute(select) }.columnNames == ["id", "name"])
    }
  }

  @Test func survivesNamesThatTheServerForgot() async throws {
    let select = PostgresStatement(name: "one", "SELECT 1 AS one")
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      _ = try await pool.execute(select)
      try await pool.execute("DEALLOCATE ALL")
      #expect(try await pool.execute(select).count == 1)
      try await pool.execute("DEALLOCATE ALL")
      #expect(try await pool.execute(PostgresBatch(statements: [select])).count == 1)
    }
  }

  @Test func refusesANameForAnotherText() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      _ = try await pool.execute(PostgresStatement(name: "a", "SELECT 1"))
      let error = await postgresError { try await pool.execute(PostgresStatement(name: "a", "SELECT 2")) }
      #expect(error?.code == .invalidParameter)
      #expect(error?.statementName == "a")
      _ = try await pool.execute(PostgresStatement(name: "a", "SELECT 1"))
    }
  }

  @Test func aStatementThatDoesNotParseIsNotRemembered() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      let select = PostgresStatement(name: "late", "SELECT count(*) AS n FROM late")
      #expect(await postgresError { try await pool.execute(select) }?.sqlState == .undefinedTable)
      try await pool.execute("CREATE TABLE late (id int)")
      #expect(try await pool.execute(select).count == 1)
    }
  }
}
