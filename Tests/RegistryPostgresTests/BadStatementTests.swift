import Logging
import RegistryPostgres
import TestDatabase
import Testing

/// Statements and parameters that cannot work, on a pool and on a lane.
@Suite(.database)
struct BadStatementTests {
  /// Marks every value, so that a description that quotes one is found out.
  private static let secret = "s3cr3t-value"

  private func withBoth(
    _ configure: (inout PostgresPool.Configuration) -> Void = { _ in },
    _ body: (any PostgresExecutor & PostgresBatchExecutor) async throws -> Void
  ) async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await body(pool)
    }
    try await PostgresLane.withLane(
      .init(TestDatabase.current), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    ) { lane in
      try await body(lane)
    }
  }

  /// The error of a statement by itself, which the same statement in a batch must have as well.
  private func failure(
    of statement: PostgresStatement, on executor: any PostgresExecutor & PostgresBatchExecutor
  ) async throws -> PostgresError {
    let alone = try #require(await postgresError { try await executor.execute(statement, deadline: nil) })
    let batch = PostgresBatch(statements: [PostgresStatement("SELECT 1"), statement])
    let inBatch = try #require(await postgresError { try await executor.execute(batch, deadline: nil) })
    #expect(inBatch.message == alone.message)
    #expect(inBatch.sqlState == alone.sqlState)
    #expect(alone.statementIndex == nil)
    #expect(inBatch.statementIndex == 1)
    for error in [alone, inBatch] {
      #expect(!error.description.contains(Self.secret))
      #expect(!error.message.contains(Self.secret))
      #expect(!error.mayHaveTakenEffect)
      #expect(!error.isRetryable)
    }
    // Nobody is worse off for it.
    _ = try await executor.execute(PostgresStatement("SELECT 1"), deadline: nil)
    return alone
  }

  @Test func namesTextThatDoesNotParse() async throws {
    try await withBoth { executor in
      let error = try await failure(
        of: PostgresStatement(name: "broken", "SELECT $1::text FRUM item x", [.text(Self.secret)]), on: executor)
      #expect(error.sqlState == .syntaxError)
      #expect(error.position != nil)
      #expect(error.statementName == "broken")
      #expect(error.description.contains("correct the statement's text"))
    }
  }

  @Test func namesWhatDoesNotExist() async throws {
    try await withBoth { executor in
      let table = try await failure(
        of: PostgresStatement("SELECT FROM no_such_table WHERE a = $1", [.text(Self.secret)]), on: executor)
      #expect(table.sqlState == .undefinedTable)
      #expect(table.description.contains("no_such_table"))
      #expect(table.description.contains("migrations"))
    }
  }

  @Test(arguments: [
    ("SELECT $1::bigint", "22P02", "pass one that fits the type"),
    ("SELECT $1::uuid", "22P02", "pass one that fits the type"),
    ("SELECT $1::jsonb", "22P02", "pass one that fits the type"),
    ("SELECT $1::timestamptz", "22007", "pass one that fits the type"),
    ("SELECT length($1::text), length(7)", "42883", "cast them in the statement"),
    ("SELECT CASE WHEN $1::text THEN 1 END", "42804", "cast them in the statement"),
  ])
  func namesAParameterOfTheWrongType(text: String, state: String, advice: String) async throws {
    try await withBoth { executor in
      let error = try await failure(of: PostgresStatement(text, [.text(Self.secret)]), on: executor)
      #expect(error.sqlState == SQLState(state))
      #expect(error.description.contains(advice))
    }
  }

  @Test func namesBytesWhereTextOfATypeIsExpected() async throws {
    try await withBoth { executor in
      let bytes = PostgresParameter.bytes(Array(Self.secret.utf8))
      let error = try await failure(of: PostgresStatement("SELECT $1::bigint", [bytes]), on: executor)
      #expect(error.sqlState == SQLState("22P03"))
      #expect(error.description.contains("pass one that fits the type"))
    }
  }

  @Test func namesMissingParameters() async throws {
    try await withBoth { executor in
      let error = try await failure(of: PostgresStatement("SELECT $1::int, $2::int", [.int(1)]), on: executor)
      #expect(error.sqlState == SQLState("08P01"))
      #expect(error.description.contains("requires 2"))
    }
  }

  @Test func namesNULInText() async throws {
    try await withBoth { executor in
      let error = try await failure(
        of: PostgresStatement("SELECT $1, $2", [.text("a"), .text("\(Self.secret)\0")]), on: executor)
      #expect(error.code == .invalidParameter)
      #expect(error.description.contains("$2"))
      #expect(error.description.contains("pass bytes to a bytea"))
      let inTheText = try await failure(of: PostgresStatement("SELECT '\0'"), on: executor)
      #expect(inTheText.code == .invalidParameter)
      // Bytes that are no text in the database's encoding, turned into text by the server.
      let bytes = PostgresParameter.bytes(Array(Self.secret.utf8) + [0xFF])
      let inTheServer = try await failure(
        of: PostgresStatement("SELECT convert_from($1, 'UTF8')", [bytes]), on: executor)
      #expect(inTheServer.sqlState == .characterNotInRepertoire)
    }
  }

  @Test(.timeLimit(.minutes(20))) func takesAParameterUpTo64MiBAndNamesALargerOne() async throws {
    let length = PostgresStatement("SELECT length($1::bytea) AS length")
    let room = PostgresStatement.maximumBytes - length.text.utf8.count - 1
    var bytes = [UInt8](repeating: 7, count: room + 1)
    try await withBoth { executor in
      let error = try await failure(of: PostgresStatement(length.text, [.bytes(bytes)]), on: executor)
      #expect(error.code == .invalidParameter)
      #expect(error.description.contains("\(PostgresStatement.maximumBytes)"))
      #expect(error.description.contains("split the work into several statements"))
    }
    bytes.removeLast()
    try await withBoth { executor in
      let row = try await executor.execute(
        PostgresStatement(length.text, [.bytes(bytes)]), deadline: .now + .seconds(300)
      ).rows[0]
      #expect(try row.decode("length", as: Int.self) == room)
    }
  }

  /// What a pooler does that hands the session to another, or resets it, between two statements.
  @Test func preparesAgainWhatWasLostUnderThePool() async throws {
    let statements = (1...9).map { PostgresStatement(name: "number_\($0)", "SELECT \($0) AS number") }
    for loss in ["DISCARD ALL", "DEALLOCATE ALL", "DEALLOCATE number_5"] {
      try await withTestPool({ $0.maximumConnections = 1 }) { pool in
        for _ in 0..<2 {
          for statement in statements { try await pool.execute(statement) }
          try await pool.execute(loss)
          let batch = try await pool.execute(PostgresBatch(statements: statements))
          #expect(try batch.map { try $0.rows[0].decode("number", as: Int.self) } == Array(1...9), "\(loss)")
          try await pool.execute(loss)
          try await pool.withTransaction { transaction in
            try await transaction.execute("SELECT 1")
          }
          for statement in statements { try await pool.execute(statement) }
        }
      }
    }
  }

  @Test func preparesAgainWhatWasLostUnderTheLane() async throws {
    let statements = (1...9).map { PostgresStatement(name: "number_\($0)", "SELECT \($0) AS number") }
    try await withTestPool { pool in
      try await pool.execute(
        """
        CREATE FUNCTION lose(command text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE command; END $$
        """)
      try await PostgresLane.withLane(
        .init(TestDatabase.current), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      ) { lane in
        for loss in ["DEALLOCATE ALL", "DEALLOCATE number_5"] {
          for statement in statements { try await lane.execute(statement) }
          try await lane.execute("SELECT lose($1)", [.text(loss)])
          let batch = try await lane.execute(PostgresBatch(statements: statements))
          #expect(try batch.map { try $0.rows[0].decode("number", as: Int.self) } == Array(1...9), "\(loss)")
          try await lane.execute("SELECT lose($1)", [.text(loss)])
          try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, statement) in statements.enumerated() {
              group.addTask {
                let number = try await lane.execute(statement).rows[0].decode("number", as: Int.self)
                #expect(number == index + 1)
              }
            }
            try await group.waitForAll()
          }
        }
      }
    }
  }

  @Test func namesAPreparedStatementThatATransactionLost() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      let echo = PostgresStatement(name: "echo", "SELECT $1::text", [.text(Self.secret)])
      try await pool.execute(echo)
      try await pool.execute("DEALLOCATE ALL")
      let error = try #require(
        await postgresError { try await pool.withTransaction { _ = try await $0.execute(echo) } })
      #expect(error.sqlState == .invalidSQLStatementName)
      #expect(error.description.contains("statement echo"))
      #expect(error.description.contains("behind a transaction pooler turn prepared statements off"))
      #expect(!error.description.contains(Self.secret))
      #expect(error.isRetryable, "the transaction can be tried again as it is")
      try await pool.withTransaction { _ = try await $0.execute(echo) }
    }
  }
}
