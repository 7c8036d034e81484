import Logging
import TestDatabase
import Testing

@testable import RegistryPostgres

/// What the random schedules found about sessions that end, and callers who leave, in a bad moment.
struct SessionEndTests {
  private func failure(of batch: PostgresBatch, _ answer: [UInt8]) async throws -> PostgresError? {
    let server = try FakeServer(.breakingOff(answer))
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    return try await PostgresPool.withPool(.patient(server.connectionString), logger: logger) { pool in
      await postgresError { try await pool.execute(batch) }
    }
  }

  private let batch = PostgresBatch(statements: [PostgresStatement("INSERT INTO item VALUES (1)")])
  private let end = FakeServer.error("57P01", severity: "FATAL")

  @Test func aSessionThatEndsBetweenCommitAndSyncIsALossOfOpenOutcome() async throws {
    let answer = FakeServer.command("BEGIN") + FakeServer.command("INSERT 0 1") + FakeServer.command("COMMIT") + end
    let error = try await failure(of: batch, answer)
    #expect(error?.code == .connectionLost)
    #expect(error?.sqlState == .adminShutdown)
    #expect(error?.mayHaveTakenEffect == true)
  }

  @Test func aSessionThatEndsAfterAnErrorKeepsThatError() async throws {
    let answer = FakeServer.command("BEGIN") + FakeServer.error("23514") + end
    let error = try await failure(of: batch, answer)
    #expect(error?.sqlState == .checkViolation)
    #expect(error?.mayHaveTakenEffect == false)
    #expect(error?.statementIndex == 0)
  }

  @Test func aStatementGivenUpWhileItIsPreparedIsNotSent() async throws {
    // The cancel comes too late for the preparation; if the statement were sent, it would be answered.
    let prepared = FakeServer.message("1", []) + FakeServer.ready("I")
    let server = try FakeServer(
      .answeringACancel([prepared, FakeServer.command("INSERT 0 1") + FakeServer.ready("I")]))
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    try await PostgresPool.withPool(.patient(server.connectionString), logger: logger) { pool in
      let statement = PostgresStatement(name: "insert", "INSERT INTO item VALUES (1)")
      let error = await postgresError { try await pool.execute(statement, deadline: .now + .milliseconds(50)) }
      #expect(error?.code == .timedOut)
      #expect(error?.mayHaveTakenEffect == false)
    }
  }
}
