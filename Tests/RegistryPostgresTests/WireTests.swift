import Logging
import RegistryPostgres
import TestDatabase
import Testing

/// Answers that a real server gives only in bad moments.
@Suite struct WireTests {
  private func withServer(
    _ manner: FakeServer.Manner, _ body: (PostgresPool) async throws -> sending Void
  ) async throws {
    try await withServer(try FakeServer(manner), body)
  }

  private func withServer(
    _ server: FakeServer, _ body: (PostgresPool) async throws -> sending Void
  ) async throws {
    var configuration = PostgresPool.Configuration.patient(server.connectionString)
    configuration.maximumConnections = 1
    configuration.cancelGrace = .seconds(30)
    try await PostgresPool.withPool(
      configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, body)
  }

  private let batch = PostgresBatch(statements: [PostgresStatement("INSERT INTO item VALUES (1)")])
  private var begun: [UInt8] { FakeServer.command("BEGIN") + FakeServer.command("INSERT 0 1") }

  @Test func aCommitAnsweredRollbackIsAnError() async throws {
    try await withServer(.answering([begun + FakeServer.command("ROLLBACK") + FakeServer.ready("I")])) { pool in
      let error = await postgresError { try await pool.execute(batch) }
      #expect(error?.code == .rolledBack)
      #expect(error?.mayHaveTakenEffect == false)
    }
  }

  @Test func aTransactionsCommitAnsweredRollbackIsAnError() async throws {
    let answers = [
      FakeServer.command("BEGIN") + FakeServer.ready("T"), FakeServer.complete("ROLLBACK") + FakeServer.ready("I"),
    ]
    try await withServer(.answering(answers)) { pool in
      do {
        try await pool.withTransaction { _ in }
        Issue.record("the commit should have failed")
      } catch let error as PostgresTransactionError {
        #expect(error.phase == .commit)
        #expect(error.underlying.code == .rolledBack)
        #expect(error.bodyError == nil)
      }
    }
  }

  @Test func aCommitWithoutATransactionIsAnError() async throws {
    let notice = FakeServer.error("25P01", severity: "WARNING", kind: "N")
    let answer = begun + notice + FakeServer.command("COMMIT") + FakeServer.ready("I")
    try await withServer(.answering([answer])) { pool in
      let error = await postgresError { try await pool.execute(batch) }
      #expect(error?.code == .protocolViolation)
      #expect(error?.mayHaveTakenEffect == true)
    }
  }

  @Test func aCommitThatMayNotBeReplicatedIsOfUnknownOutcome() async throws {
    let notice = FakeServer.error("01000", severity: "WARNING", kind: "N", routine: "SyncRepWaitForLSN")
    let answer = begun + notice + FakeServer.command("COMMIT") + FakeServer.ready("I")
    try await withServer(.answering([answer])) { pool in
      let error = await postgresError { try await pool.execute(batch) }
      #expect(error?.code == .outcomeUnknown)
      #expect(error?.mayHaveTakenEffect == true)
      #expect(error?.isRetryableWhenIdempotent == true)
    }
  }

  /// The answer is cut after each of its bytes: never success before the COMMIT and the sync are there in full.
  @Test func aBatchCutAnywhereIsNeverASuccess() async throws {
    let answer = begun + FakeServer.command("COMMIT") + FakeServer.ready("I")
    for length in stride(from: 0, to: answer.count, by: 3) {
      try await withServer(.breakingOff(Array(answer.prefix(length)))) { pool in
        let error = await postgresError { try await pool.execute(batch) }
        #expect(error?.code == .connectionLost, "cut after \(length) bytes")
        #expect(error?.mayHaveTakenEffect == true)
      }
    }
    try await withServer(.breakingOff(answer)) { pool in
      let results = try await pool.execute(batch)
      #expect(results.count == 1)
    }
  }

  @Test func aStatementCutAnywhereIsNeverASuccess() async throws {
    let answer = FakeServer.command("INSERT 0 1") + FakeServer.ready("I")
    for length in 0..<answer.count {
      try await withServer(.breakingOff(Array(answer.prefix(length)))) { pool in
        let error = await postgresError { try await pool.execute(batch.statements[0]) }
        #expect(error?.code == .connectionLost, "cut after \(length) bytes")
        #expect(error?.mayHaveTakenEffect == true)
      }
    }
  }

  @Test func aCommitThatFailsHadNoEffect() async throws {
    let answer = begun + FakeServer.error("40001") + FakeServer.ready("I")
    try await withServer(.answering([answer])) { pool in
      let error = await postgresError { try await pool.execute(batch) }
      #expect(error?.sqlState == .serializationFailure)
      #expect(error?.statementIndex == nil)
      #expect(error?.isRetryable == true)
    }
  }

  @Test func namesAStatementThatAPoolerLost() async throws {
    let lost = FakeServer.error("26000") + FakeServer.ready("I")
    let prepared = FakeServer.message("1", []) + FakeServer.ready("I")
    try await withServer(.answering([prepared, lost, prepared, lost])) { pool in
      let error = await postgresError { try await pool.execute(PostgresStatement(name: "lost", "SELECT 1")) }
      #expect(error?.sqlState == .invalidSQLStatementName)
      #expect(error?.description.contains("pooler") == true)
    }
  }

  /// A statement that ends well although a cancel was asked for: its result stands, but the request may still be on its
  /// way, so nobody else may use the connection.
  @Test func aConnectionWhoseCancelCameTooLateIsNotUsedAgain() async throws {
    let answer = FakeServer.command("INSERT 0 1") + FakeServer.ready("I")
    let server = try FakeServer(.answeringACancel([answer, answer]))
    try await withServer(server) { pool in
      for _ in 0..<2 {
        let result = try await pool.withConnection {
          try await $0.execute(batch.statements[0], deadline: .now + .milliseconds(50))
        }
        #expect(result.affectedRows == 1)
      }
    }
    #expect(server.loginCount == 2)
  }

  @Test func aBatchThatCommitsInSpiteOfItsCancelIsASuccess() async throws {
    let answer = begun + FakeServer.command("COMMIT") + FakeServer.ready("I")
    let server = try FakeServer(.answeringACancel([answer]))
    try await withServer(server) { pool in
      let results = try await pool.withConnection {
        try await $0.execute(batch, deadline: .now + .milliseconds(50))
      }
      #expect(results.count == 1)
    }
  }

  /// What a server says of a COPY, as one piece.
  /// - Parameter isParted: whether it fills the block that libpq reads first, so that the end of the conversation is
  ///   still to come when the rest is looked at.
  private func copyOut(endingIn last: [UInt8], isParted: Bool) -> [UInt8] {
    let header = FakeServer.message("H", [0, 0, 1, 0, 0])
    let begun = FakeServer.message("1", []) + FakeServer.message("2", []) + FakeServer.message("n", []) + header
    let count = isParted ? 16384 - begun.count - last.count - 5 : 100
    let padding = [UInt8](repeating: UInt8(ascii: "x"), count: count)
    return begun + FakeServer.message("d", padding) + last + FakeServer.ready("I")
  }

  /// Copies out of a server that answers once it is asked to cancel, and takes a connection again.
  /// - Returns: how many requests to cancel came, and how many connections were opened.
  private func timeOut(_ answer: [UInt8]) async throws -> (cancels: Int, logins: Int) {
    let server = try FakeServer(.answeringACancel([answer]))
    try await withServer(server) { pool in
      let error = await postgresError {
        try await pool.withConnection { connection in
          try await connection.copyOut("COPY item TO STDOUT", deadline: .now + .milliseconds(50)) { _ in }
        }
      }
      #expect(error?.code == .timedOut)
      try await pool.withConnection { _ in }
    }
    return (server.cancelCount, server.loginCount)
  }

  /// Its report stands among what is thrown away; a second request could hit the next statement.
  @Test(arguments: [false, true])
  func aCopyCancelledBeforeItsFirstRowKeepsTheConnection(isParted: Bool) async throws {
    let (cancels, logins) = try await timeOut(copyOut(endingIn: FakeServer.error("57014"), isParted: isParted))
    #expect(cancels == 1)
    #expect(logins == 1)
  }

  @Test(arguments: [false, true])
  func aCopyThatEndsInSpiteOfItsCancelCostsTheConnection(isParted: Bool) async throws {
    let end = FakeServer.message("c", []) + FakeServer.complete("COPY 1")
    let (_, logins) = try await timeOut(copyOut(endingIn: end, isParted: isParted))
    #expect(logins == 2)
  }

  /// Rows that are left early, of a statement that has failed already.
  @Test func rowsWhoseEndIsOnItsWayAreNotCancelled() async throws {
    let column = Array("n".utf8) + [0] + [0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0]
    let begun = FakeServer.message("1", []) + FakeServer.message("2", []) + FakeServer.message("T", [0, 1] + column)
    func row(_ count: Int) -> [UInt8] {
      let length = withUnsafeBytes(of: UInt32(count).bigEndian) { Array($0) }
      return FakeServer.message("D", [0, 1] + length + [UInt8](repeating: UInt8(ascii: "x"), count: count))
    }
    let failure = FakeServer.error("XX000")
    // As much as libpq reads at first, without the end of the conversation.
    let rows = row(1) + row(16384 - begun.count - row(1).count - failure.count - 11)
    let server = try FakeServer(.answering([begun + rows + failure + FakeServer.ready("I")]))
    try await withServer(server) { pool in
      try await pool.withRows(PostgresStatement("SELECT n FROM item")) { _ in }
      try await pool.withConnection { _ in }
    }
    #expect(server.cancelCount == 0)
    #expect(server.loginCount == 1)
  }
}
