import Foundation
import Logging
import RegistryPostgres
import TestDatabase
import Testing

@Suite(.database)
struct RowStreamTests {
  private struct Refusal: Error {}

  private static func numbers(_ count: Int, name: String? = nil) -> PostgresStatement {
    // In the list of columns, where the server makes rows only as they are sent.
    PostgresStatement(
      name: name, "SELECT generate_series(1, $1::int) AS n, repeat('x', 100) AS filler", [.int(count)])
  }

  @Test(arguments: [0, 1, 2, 255, 256, 257, 5000])
  func givesAllRowsInOrder(count: Int) async throws {
    try await withTestPool { pool in
      let numbers = try await pool.withRows(Self.numbers(count)) { rows in
        #expect(rows.columnNames == ["n", "filler"])
        var numbers: [Int] = []
        for try await row in rows { numbers.append(try row.decode("n")) }
        for try await _ in rows { Issue.record("the rows were all taken") }
        return numbers
      }
      #expect(numbers == Array(1...max(count, 1)).prefix(count).map { $0 })
    }
  }

  @Test func givesValuesOfAllTypes() async throws {
    let statement = PostgresStatement(
      name: "all_types",
      """
      SELECT $1::uuid AS id, $2::bigint AS number, $3::float8 AS fraction, $4::bool AS truth, $5::bytea AS bytes,
        $6::timestamptz AS instant, $7::text AS text, NULL::text AS nothing, $8::text[] AS texts, '{"a": 1}'::jsonb AS json
      """,
      [
        .uuid(UUID(uuidString: "0F0E0D0C-0B0A-0908-0706-050403020100")), .int(Int.min), .double(-0.5), .bool(true),
        .bytes([0, 1, 255]), .timestamp(microsecondsSince1970: 1_700_000_000_123_456), .text("ä\t\\\n"),
        .textArray(["a", "b,\"c"]),
      ])
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      for _ in 0..<2 {
        let count = try await pool.withRows(statement) { rows in
          var count = 0
          for try await row in rows {
            count += 1
            #expect(try row.decode("id", as: UUID.self).uuidString == "0F0E0D0C-0B0A-0908-0706-050403020100")
            #expect(try row.decode("number", as: Int.self) == .min)
            #expect(try row.decode("fraction", as: Double.self) == -0.5)
            #expect(try row.decode("truth", as: Bool.self))
            #expect(try row.decode("bytes", as: [UInt8].self) == [0, 1, 255])
            #expect(
              try row.decode("instant", as: PostgresTimestamp.self).microsecondsSince1970 == 1_700_000_000_123_456)
            #expect(try row.decode("text", as: String.self) == "ä\t\\\n")
            #expect(try row.decodeIfPresent("nothing", as: String.self) == nil)
            #expect(try row.decode("texts", as: [String].self) == ["a", "b,\"c"])
            #expect(try row.decode("json", as: String.self) == "{\"a\": 1}")
          }
          return count
        }
        #expect(count == 1)
      }
      let names = try await pool.execute("SELECT name FROM pg_prepared_statements").rows
      #expect(try names.map { try $0.decode("name", as: String.self) } == ["all_types"])
    }
  }

  @Test func aStatementWithoutRowsGivesNone() async throws {
    try await withTestPool { pool in
      for text in ["CREATE TABLE item (id int)", "INSERT INTO item VALUES (1)", ""] {
        try await pool.withRows(PostgresStatement(text)) { rows in
          #expect(rows.columnNames.isEmpty)
          for try await _ in rows { Issue.record("there are no rows") }
        }
      }
      #expect(try await pool.execute("SELECT FROM item").count == 1)
    }
  }

  /// A loop that is left does not read the rest, and the connection is the same one afterwards.
  @Test func leavingALoopCancelsTheStatement() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      let pid = try await pool.withConnection { $0.backendPID }
      for limit in [0, 1, 300] {
        let taken = try await pool.withRows(Self.numbers(1_000_000_000)) { rows in
          var taken = 0
          for try await _ in rows {
            taken += 1
            if taken >= limit { break }
          }
          return taken
        }
        #expect(taken == max(limit, 1))
        #expect(try await pool.withConnection { $0.backendPID } == pid)
      }
      #expect(try await pool.withRows(Self.numbers(1_000_000_000)) { _ in 7 } == 7)
      await #expect(throws: Refusal.self) {
        try await pool.withRows(Self.numbers(1_000_000_000)) { rows in
          for try await _ in rows { throw Refusal() }
        }
      }
      #expect(try await pool.withConnection { $0.backendPID } == pid)
    }
  }

  @Test func leavingALoopLeavesTheTransactionUsable() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      try await pool.withTransaction { transaction in
        try await transaction.execute("INSERT INTO item VALUES (1)")
        try await transaction.withRows(Self.numbers(1_000_000_000)) { rows in
          for try await _ in rows { break }
        }
        await #expect(throws: Refusal.self) {
          try await transaction.withRows(
            PostgresStatement("INSERT INTO item SELECT generate_series(2, 100000) RETURNING id")
          ) { rows in for try await _ in rows { throw Refusal() } }
        }
        try await transaction.copyOut("COPY (SELECT generate_series(1, 100000000)) TO STDOUT") { chunks in
          for try await _ in chunks { break }
        }
        try await transaction.withRows(Self.numbers(10)) { rows in for try await _ in rows {} }
        try await transaction.execute("INSERT INTO item VALUES (0)")
      }
      let rows = try await pool.execute("SELECT id FROM item ORDER BY id").rows
      #expect(try rows.map { try $0.decode("id", as: Int.self) } == [0, 1])
    }
  }

  @Test func reportsAnErrorAfterTheRowsBeforeIt() async throws {
    let statement = PostgresStatement("SELECT 1000 / (701 - n) AS quotient FROM generate_series(1, 10000) n")
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      let pid = try await pool.withConnection { $0.backendPID }
      let taken = try await pool.withRows(statement) { rows in
        var taken = 0
        let error = await postgresError { for try await _ in rows { taken += 1 } }
        #expect(error?.sqlState == .divisionByZero)
        // It stays the answer.
        #expect(await postgresError { for try await _ in rows {} }?.sqlState == .divisionByZero)
        return taken
      }
      #expect(taken == 700)
      let inTransaction = await postgresError {
        try await pool.withTransaction { transaction in
          _ = await postgresError { try await transaction.withRows(statement) { for try await _ in $0 {} } }
        }
      }
      #expect(inTransaction?.code == .rolledBack, "the statement failed by itself")
      #expect(try await pool.withConnection { $0.backendPID } == pid)
    }
  }

  @Test func reportsAnErrorBeforeTheFirstRowWithoutRunningTheClosure() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      for statement in [PostgresStatement(name: "broken", "SELECT FROM nowhere"), PostgresStatement("SELECT 1/0")] {
        let error = await postgresError {
          try await pool.withRows(statement) { _ in Issue.record("the closure should not run") }
        }
        #expect(error?.code == .server)
        #expect(error?.statementName == statement.name)
      }
      let invalid = await postgresError {
        try await pool.withRows(PostgresStatement("SELECT $1", [.text("a\0")])) { _ in }
      }
      #expect(invalid?.code == .invalidParameter)
    }
  }

  @Test func oneUseAtATimeAndNoneAfterwards() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.withConnection { connection in
        let leaked = try await connection.withRows(Self.numbers(1000)) { rows in
          for try await _ in rows { break }
          for operation in [
            { _ = try await connection.execute("SELECT 1") },
            { try await connection.withRows(Self.numbers(1)) { _ in } },
            { try await connection.copyIn("COPY nowhere FROM STDIN") { _ in } },
            { try await connection.withTransaction { _ in } },
          ] as [() async throws -> Void] {
            #expect(await postgresError { try await operation() }?.code == .busy)
          }
          return rows
        }
        #expect(await postgresError { for try await _ in leaked {} }?.code == .closed)
        try await connection.withRows(Self.numbers(10)) { _ in
          #expect(await postgresError { for try await _ in leaked {} }?.code == .closed)
        }
        try await connection.execute("SELECT 1")
      }
      nonisolated(unsafe) var leaked: PostgresConnection?
      try await pool.withConnection { leaked = $0 }
      #expect(await postgresError { try await leaked?.withRows(Self.numbers(1)) { _ in } }?.code == .closed)
    }
  }

  @Test func preparesAnewWhatTheServerOutdatedOrForgot() async throws {
    let select = PostgresStatement(name: "item_select", "SELECT * FROM item")
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      func columns() async throws -> [String] { try await pool.withRows(select) { $0.columnNames } }
      try await pool.execute("CREATE TABLE item (id bigint)")
      #expect(try await columns() == ["id"])
      try await pool.execute("ALTER TABLE item ADD COLUMN name text")
      #expect(try await columns() == ["id", "name"])
      try await pool.execute("DEALLOCATE ALL")
      #expect(try await columns() == ["id", "name"])
      try await pool.execute("ALTER TABLE item DROP COLUMN name")
      let error = await postgresError { try await pool.withTransaction { try await $0.withRows(select) { _ in } } }
      #expect(error?.sqlState == .featureNotSupported)
      #expect(error?.isRetryable == true)
      #expect(try await columns() == ["id"])
    }
  }

  @Test(arguments: ["COPY item FROM STDIN", "COPY (SELECT generate_series(1, 1000000)) TO STDOUT"])
  func aCopyGivesNoRows(text: String) async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      let pid = try await pool.withConnection { $0.backendPID }
      let error = await postgresError { try await pool.withRows(PostgresStatement(text)) { _ in } }
      #expect(error?.code == .unsupported)
      #expect(try await pool.withConnection { $0.backendPID } == pid)
    }
  }

  @Test @MainActor func theClosureRunsOnTheCallersActor() async throws {
    var seen = 0
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    try await PostgresPool.withPool(.patient(TestDatabase.current), logger: logger) { pool in
      try await pool.withRows(Self.numbers(3)) { rows in
        for try await _ in rows {
          MainActor.assertIsolated()
          seen += 1
        }
      }
    }
    #expect(seen == 3)
  }
}
