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

  /// Both sides have more to say than their buffers hold: reading only after writing would wait for ever.
  @Test func aBatchLargerThanAllBuffersGoesThrough() async throws {
    let text = String(repeating: "x", count: 200_000)
    let echo = PostgresStatement(name: "echo", "SELECT $1::text AS text", [.text(text)])
    try await withTestPool { pool in
      let results = try await pool.execute(
        PostgresBatch(statements: .init(repeating: echo, count: 200)), deadline: .now + .seconds(300))
      for result in results { #expect(try result.rows[0].decode("text", as: String.self) == text) }
    }
  }

  @Test func anEmptyBatchAndAnEmptyStatement() async throws {
    try await withTestPool { pool in
      let nothing = try await pool.execute(PostgresBatch(statements: []))
      #expect(nothing.isEmpty)
      #expect(try await pool.execute("").count == 0)
      #expect(try await pool.execute(PostgresBatch(statements: [PostgresStatement("")])).count == 1)
      #expect(try await pool.withConnection { try await $0.executeScript("SELECT 1; SELECT 2") }.count == 2)
    }
  }

  @Test func aDeferredConstraintFailsTheCommit() async throws {
    try await withTestPool { pool in
      try await pool.execute("CREATE TABLE item (id bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)")
      let insert = PostgresStatement("INSERT INTO item VALUES (1), (1)")
      let inBatch = await postgresError { try await pool.execute(PostgresBatch(statements: [insert])) }
      #expect(inBatch?.isUniqueViolation == true)
      #expect(inBatch?.statementIndex == nil)
      #expect(await postgresError { try await pool.execute(insert) }?.isUniqueViolation == true)
      do {
        try await pool.withTransaction { try await $0.execute(insert) }
        Issue.record("the commit should have failed")
      } catch let error as PostgresTransactionError {
        #expect(error.phase == .commit)
        #expect(error.underlying.isUniqueViolation)
        #expect(!error.mayHaveTakenEffect)
      }
      #expect(try await pool.execute("SELECT FROM item").count == 0)
    }
  }

  @Test func aTransactionThatGoesOnAfterAnErrorDoesNotCommit() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      do {
        try await pool.withTransaction { transaction in
          try await transaction.execute("INSERT INTO item VALUES (1)")
          _ = await postgresError { try await transaction.execute("SELECT 1/0") }
        }
        Issue.record("the commit should have failed")
      } catch let error as PostgresTransactionError {
        #expect(error.phase == .commit)
        #expect(error.underlying.code == .rolledBack)
      }
      #expect(try await pool.execute("SELECT FROM item").count == 0)
    }
  }

  @Test func namesABeginThatFails() async throws {
    try await withTestPool { pool in
      do {
        let setting = try PostgresBatch.Setting("statement_timeout", "not a time")
        try await pool.withTransaction(settings: [setting]) { _ in Issue.record("the body should not run") }
        Issue.record("BEGIN should have failed")
      } catch let error as PostgresTransactionError {
        #expect(error.phase == .begin)
        #expect(error.underlying.sqlState == SQLState("22023"))
      }
      try await pool.execute("SELECT 1")
    }
  }

  @Test func transactionsKeepTheirIsolationAndMode() async throws {
    let level = PostgresStatement(
      "SELECT current_setting('transaction_isolation') AS level, current_setting('transaction_read_only') AS readonly")
    try await withTestPool { pool in
      let row = try await pool.withTransaction(level: .repeatableRead.readOnly) { try await $0.execute(level) }.rows[0]
      #expect(try row.decode("level", as: String.self) == "repeatable read")
      #expect(try row.decode("readonly", as: String.self) == "on")
      let batch = PostgresBatch(statements: [level], isolation: .serializable)
      #expect(try await pool.execute(batch)[0].rows[0].decode("level", as: String.self) == "serializable")
    }
  }

  /// Two transactions that lock each other's row: one is chosen by the server and may be tried again.
  @Test func aDeadlockIsRetryable() async throws {
    try await withTestPool { pool in
      try await pool.execute("CREATE TABLE item (id bigint PRIMARY KEY)")
      try await pool.execute("INSERT INTO item VALUES (1), (2)")
      let (firstHasLocked, firstInput) = AsyncStream.makeStream(of: Void.self)
      let (secondHasLocked, secondInput) = AsyncStream.makeStream(of: Void.self)
      let update = "UPDATE item SET id = id WHERE id = $1"
      async let first = postgresError {
        try await pool.withTransaction { transaction in
          try await transaction.execute(update, [.int(1)])
          firstInput.yield()
          for await _ in secondHasLocked { break }
          try await transaction.execute(update, [.int(2)])
        }
      }
      let second = await postgresError {
        try await pool.withTransaction { transaction in
          try await transaction.execute(update, [.int(2)])
          secondInput.yield()
          for await _ in firstHasLocked { break }
          try await transaction.execute(update, [.int(1)])
        }
      }
      let errors = [await first, second].compactMap { $0 }
      #expect(errors.map(\.sqlState) == [.deadlockDetected])
      let areRetryable = errors.allSatisfy { $0.isRetryable }
      #expect(areRetryable)
    }
  }
}
