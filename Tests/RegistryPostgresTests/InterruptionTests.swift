import Foundation
import RegistryPostgres
import TestDatabase
import TestRandom
import Testing

@Suite(.database)
struct InterruptionTests {
  private static let isSleeping =
    "EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1::int AND wait_event = 'PgSleep')"

  @Test func cancelsTheStatementAtItsDeadlineAndKeepsTheConnection() async throws {
    try await withTestPool { pool in
      try await pool.withConnection { connection in
        let error = await postgresError {
          try await connection.execute(PostgresStatement("SELECT pg_sleep(60)"), deadline: .now + .milliseconds(50))
        }
        #expect(error?.code == .timedOut)
        #expect(error?.sqlState == .queryCanceled)
        #expect(error?.mayHaveTakenEffect == false)
        try await connection.execute("SELECT 1")
      }
    }
  }

  @Test func cancelsTheStatementWithTheTask() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      let pid = try await pool.withConnection { $0.backendPID }
      let running = Task { try await pool.execute("SELECT pg_sleep(60)") }
      try await waitUntil(Self.isSleeping, [.int(pid)])
      running.cancel()
      let error = await postgresError { try await running.value }
      #expect(error?.code == .cancelled)
      #expect(try await pool.withConnection { $0.backendPID } == pid)
    }
  }

  @Test func aRequestToCancelThatIsLostIsSentAgain() async throws {
    let proxy = try FaultProxy(to: TestDatabase.current)
    defer { proxy.stop() }
    await proxy.ask { $0.cancelRequestsToDrop = 2 }
    try await withTestPool({
      $0.connectionString = proxy.connectionString(.unix)
      $0.maximumConnections = 1
      $0.cancelGrace = .seconds(300)
    }) { pool in
      let pid = try await pool.withConnection { $0.backendPID }
      let error = await postgresError {
        try await pool.execute(PostgresStatement("SELECT pg_sleep(600)"), deadline: .now + .milliseconds(50))
      }
      #expect(error?.code == .timedOut)
      #expect(error?.sqlState == .queryCanceled)
      #expect(await proxy.ask { $0.cancelRequestsToDrop } == 0)
      #expect(try await pool.withConnection { $0.backendPID } == pid)
    }
  }

  @Test func sendsNothingForACancelledTask() async throws {
    try await withTestPool { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      try await pool.withConnection { connection in
        let error = await postgresError {
          return try await Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await connection.execute("INSERT INTO item VALUES (1)")
          }.value
        }
        #expect(error?.code == .cancelled)
        let late = await postgresError {
          try await connection.execute(PostgresStatement("INSERT INTO item VALUES (1)"), deadline: .now)
        }
        #expect(late?.code == .timedOut)
      }
      #expect(try await pool.execute("SELECT FROM item").count == 0)
    }
  }

  @Test func rollsBackABatchThatIsCancelled() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      let pid = try await pool.withConnection { $0.backendPID }
      let running = Task {
        try await pool.execute(
          PostgresBatch(statements: [
            PostgresStatement("INSERT INTO item VALUES (1)"), PostgresStatement("SELECT pg_sleep(60)"),
            PostgresStatement("INSERT INTO item VALUES (2)"),
          ]))
      }
      try await waitUntil(Self.isSleeping, [.int(pid)])
      running.cancel()
      let error = await postgresError { try await running.value }
      #expect(error?.code == .cancelled)
      #expect(error?.statementIndex == 1 || error?.statementIndex == nil)
      #expect(error?.mayHaveTakenEffect == false)
      let rows = try await pool.execute("SELECT pg_backend_pid() AS pid, count(*) AS n FROM item").rows
      #expect(try rows[0].decode("n", as: Int.self) == 0)
      #expect(try rows[0].decode("pid", as: Int32.self) == pid)
    }
  }

  @Test func rollsBackATransactionWhoseTaskIsCancelled() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      let pid = try await pool.withConnection { $0.backendPID }
      let running = Task {
        try await pool.withTransaction { transaction in
          try await transaction.execute("INSERT INTO item VALUES (1)")
          try await transaction.execute("SELECT pg_sleep(60)")
        }
      }
      try await waitUntil(Self.isSleeping, [.int(pid)])
      running.cancel()
      #expect(await postgresError { try await running.value }?.code == .cancelled)
      let rows = try await pool.execute("SELECT pg_backend_pid() AS pid, count(*) AS n FROM item").rows
      #expect(try rows[0].decode("n", as: Int.self) == 0)
      #expect(try rows[0].decode("pid", as: Int32.self) == pid)
    }
  }

  @Test func closesAConnectionWhoseServerDoesNotAnswerTheCancel() async throws {
    try await withTestPool({
      $0.maximumConnections = 1
      $0.cancelGrace = .milliseconds(100)
    }) { pool in
      let pid = try await pool.withConnection { $0.backendPID }
      let running = Task {
        try await pool.execute(PostgresStatement("SELECT pg_sleep(60)"), deadline: .now + .seconds(30))
      }
      try await waitUntil(Self.isSleeping, [.int(pid)])
      // A stopped process hears no cancel.
      try #require(kill(pid, SIGSTOP) == 0, "the tests must run as root or as the server's account")
      defer { kill(pid, SIGCONT) }
      running.cancel()
      let error = await postgresError { try await running.value }
      #expect(error?.code == .cancelled)
      #expect(error?.mayHaveTakenEffect == true)
      #expect(try await pool.withConnection { $0.backendPID } != pid)
    }
  }

  @Test func keepsTheFirstErrorOfAKilledSession() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      let pid = try await pool.withConnection { $0.backendPID }
      async let killed = postgresError { try await pool.execute("SELECT pg_sleep(60)") }
      try await waitUntil(Self.isSleeping, [.int(pid)])
      try await terminate(pid)
      let error = await killed
      #expect(error?.code == .connectionLost)
      #expect(error?.sqlState == .adminShutdown)
      #expect(error?.isRetryable == false)
      #expect(error?.isRetryableWhenIdempotent == true)
      try await pool.execute("SELECT 1")
    }
  }

  @Test func aBatchKilledBeforeItsCommitProvablyHadNoEffect() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      let pid = try await pool.withConnection { $0.backendPID }
      async let killed = postgresError {
        try await pool.execute(
          PostgresBatch(statements: [
            PostgresStatement("INSERT INTO item VALUES (1)"), PostgresStatement("SELECT pg_sleep(60)"),
          ]))
      }
      try await waitUntil(Self.isSleeping, [.int(pid)])
      try await terminate(pid)
      let error = await killed
      #expect(error?.code == .connectionLost)
      #expect(error?.mayHaveTakenEffect == false)
      #expect(error?.isRetryable == true)
      #expect(try await pool.execute("SELECT FROM item").count == 0)
    }
  }

  @Test func aTransactionWhoseBackendIsKilledPassesTheBodysError() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      do {
        try await pool.withConnection { connection in
          try await connection.withTransaction { transaction in
            try await terminate(connection.backendPID)
            try await transaction.execute("SELECT 1")
          }
        }
        Issue.record("the statement should have failed")
      } catch let error as PostgresError {
        #expect(error.code == .connectionLost)
        #expect(error.sqlState == .adminShutdown)
        #expect(error.isRetryable, "without its COMMIT the transaction provably had no effect")
      }
      try await pool.execute("SELECT 1")
    }
  }

  /// Random queries, cancels, deadlines and kills: each caller gets one answer, and no one another's.
  @Test(arguments: [UInt64.random(in: 0...UInt64.max)])
  func everyCallerGetsItsOwnAnswer(seed: UInt64) async throws {
    try await withTestPool({ $0.maximumConnections = 3 }) { pool in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<300 {
          var random = SeededGenerator(seed: seed &+ UInt64(number))
          let kind = Int.random(in: 0..<10, using: &random)
          let delay = Double.random(in: 0...0.02, using: &random)
          let allowed = Duration.milliseconds(Int.random(in: 1...20, using: &random))
          group.addTask {
            let statement = PostgresStatement(
              name: kind % 2 == 0 ? "slow_echo" : nil, "SELECT $1::int AS number, pg_sleep($2)",
              [.int(number), .double(delay)])
            let task = Task {
              switch kind {
              case 0: return try await pool.execute("SELECT pg_terminate_backend(pg_backend_pid()), 0 AS number")
              case 1, 2: return try await pool.execute(statement, deadline: .now + allowed)
              case 3, 4: return try await pool.execute(PostgresBatch(statements: [statement]))[0]
              default: return try await pool.execute(statement, deadline: .now + .seconds(600))
              }
            }
            if kind == 5 { task.cancel() }
            do {
              let answer = try await task.value.rows[0].decode("number", as: Int.self)
              #expect(answer == number, "seed \(seed)")
            } catch let error as PostgresError {
              let expected: [PostgresError.Code] =
                switch kind {
                case 0: [.connectionLost]
                case 1, 2: [.timedOut]
                case 5: [.cancelled]
                default: []
                }
              #expect(expected.contains(error.code), "seed \(seed), caller \(number): \(error)")
            }
          }
        }
        try await group.waitForAll()
      }
      try await pool.execute("SELECT 1")
    }
  }
}
