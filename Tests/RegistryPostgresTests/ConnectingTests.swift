import Foundation
import Logging
import RegistryPostgres
import TestDatabase
import Testing

@Suite struct ConnectingTests {
  private func failure(
    of connectionString: String, _ configure: (inout PostgresPool.Configuration) -> Void = { _ in }
  ) async -> PostgresError? {
    var configuration = PostgresPool.Configuration(connectionString)
    configuration.outageTolerance = .zero
    configuration.connectTimeout = .milliseconds(200)
    configure(&configuration)
    return await postgresError {
      try await PostgresPool.withPool(configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) {
        _ = try await $0.execute("SELECT 1")
      }
    }
  }

  @Test func namesAHostThatDoesNotExist() async throws {
    let error = try #require(await failure(of: "host=no-such-host.invalid user=u") { $0.connectTimeout = .seconds(60) })
    #expect(error.code == .connectionFailed)
    #expect(error.description.contains("no-such-host.invalid"))
    #expect(error.isRetryable)
  }

  @Test func namesAPortThatRefuses() async throws {
    let port = try FakeServer(.silent).port
    let error = try #require(await failure(of: "host=127.0.0.1 port=\(port) user=u"))
    #expect(error.code == .connectionFailed)
    #expect(error.description.contains("\(port)"))
    #expect(error.isRetryable)
  }

  @Test func givesUpAServerThatSaysNothing() async throws {
    let server = try FakeServer(.silent)
    let error = try #require(await failure(of: server.connectionString))
    #expect(error.code == .connectionFailed)
    #expect(error.description.contains("did not answer within"))
  }

  @Test func honoursTheCallersDeadlineWhileConnecting() async throws {
    let server = try FakeServer(.silent)
    var configuration = PostgresPool.Configuration(server.connectionString)
    configuration.connectTimeout = .seconds(60)
    let begin = ContinuousClock.now
    let error = await postgresError {
      try await PostgresPool.withPool(configuration, logger: Logger(label: "test")) { pool in
        try await pool.execute(PostgresStatement("SELECT 1"), deadline: .now + .milliseconds(50))
      }
    }
    #expect(error?.code == .timedOut)
    // The attempt under way is given up with the pool.
    #expect(ContinuousClock.now - begin < .seconds(30))
  }

  @Test(arguments: [("28P01", false), ("3D000", false), ("53300", true), ("57P03", true)])
  func keepsTheServersReasonForRefusing(state: String, isRetryable: Bool) async throws {
    let server = try FakeServer(.refusing(state))
    let error = try #require(await failure(of: server.connectionString))
    #expect(error.code == .connectionFailed)
    #expect(error.sqlState == SQLState(state))
    #expect(error.isRetryable == isRetryable)
    #expect(error.description.contains("as the test wants it"))
  }

  @Test func waitsOutAServerThatStarts() async throws {
    // Refused at first; the pool tries again until the caller's deadline.
    let server = try FakeServer(.refusing("57P03"))
    let error = await failure(of: server.connectionString) {
      $0.outageTolerance = .seconds(60)
      $0.defaultTimeout = .milliseconds(300)
    }
    #expect(error?.code == .connectionFailed)
    #expect(error?.sqlState == .cannotConnectNow)
  }

  @Test func goesOnToTheNextHost() async throws {
    let database = try await TestDatabase.shared.emptyDatabase()
    let silent = try FakeServer(.silent)
    func value(_ keyword: String) -> String {
      database.split(separator: " ").first { $0.hasPrefix("\(keyword)=") }.map {
        String($0.dropFirst(keyword.count + 1))
      }
        ?? ""
    }
    let string =
      database.replacing("host=\(value("host"))", with: "host=127.0.0.1,\(value("host"))")
      .replacing("port=\(value("port"))", with: "port=\(silent.port),\(value("port"))")
      + " target_session_attrs=read-write sslmode=disable gssencmode=disable"
    var configuration = PostgresPool.Configuration(string)
    configuration.connectTimeout = .milliseconds(300)
    try await PostgresPool.withPool(configuration, logger: Logger(label: "test")) { pool in
      try await pool.execute("SELECT 1")
    }
    // A server that only reads is passed over, and the error says what was asked for.
    configuration.connectionString = string.replacing("read-write", with: "standby")
    configuration.outageTolerance = .zero
    let error = await postgresError {
      try await PostgresPool.withPool(configuration, logger: Logger(label: "test")) { try await $0.execute("SELECT 1") }
    }
    #expect(error?.code == .connectionFailed)
    #expect(error?.description.contains("standby") == true)
    configuration.connectionString = string.replacing("read-write", with: "prefer-standby")
    try await PostgresPool.withPool(configuration, logger: Logger(label: "test")) { pool in
      try await pool.execute("SELECT 1")
    }
    try await TestDatabase.shared.drop(database)
  }

  @Test func saysWhenTheServerEndsEachConnection() async throws {
    let server = try FakeServer(.hangingUp)
    let error = await failure(of: server.connectionString)
    #expect(error?.code == .connectionLost)
  }
}

/// Answers that a real server gives only in bad moments.
@Suite struct WireTests {
  private func withServer(
    _ manner: FakeServer.Manner, _ body: (PostgresPool) async throws -> sending Void
  ) async throws {
    let server = try FakeServer(manner)
    var configuration = PostgresPool.Configuration(server.connectionString)
    configuration.maximumConnections = 1
    configuration.cancelGrace = .milliseconds(50)
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
}
