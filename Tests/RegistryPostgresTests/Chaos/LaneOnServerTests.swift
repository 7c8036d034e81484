import Foundation
import Logging
import NIOConcurrencyHelpers
import TestDatabase
import Testing

@testable import RegistryPostgres

/// What a lane promises its callers one by one, held against the real server.
struct LaneOnServerTests {
  private func withLane<Value: Sendable>(
    _ connectionString: String, _ configure: (inout PostgresLane.Configuration) -> Void = { _ in },
    _ body: (PostgresLane) async throws -> sending Value
  ) async throws -> Value {
    var configuration = PostgresLane.Configuration.patient(connectionString)
    configure(&configuration)
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    return try await PostgresLane.withLane(configuration, logger: logger, body)
  }

  /// Waits, in round trips outside the lane, until something is so.
  private func waitUntil(_ pool: PostgresPool, _ isSo: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(300)
    while ContinuousClock.now < end {
      if try await isSo() { return }
      try await pool.execute("SELECT 1")
    }
    Issue.record("it never came to be so")
  }

  /// The transaction of each of these callers, whose batch travels while the proxy holds the answer back.
  private func insertTogether(
    _ lane: PostgresLane, _ tokens: Range<Int>, ledger: Ledger
  ) -> [Task<(transaction: Int?, error: PostgresError?), Never>] {
    tokens.map { token in
      Task {
        nonisolated(unsafe) var transaction: Int?
        let error = await ledger.writing([token], "caller \(token)") {
          let statement = PostgresStatement(
            name: "insert_item", "INSERT INTO item VALUES ($1::bigint) RETURNING txid_current() AS tx", [.int(token)])
          transaction = try await lane.execute(PostgresBatch(statements: [statement]))[0].rows[0]
            .decode("tx", as: Int.self)
        }
        return (transaction, error.flatMap(PostgresError.first(in:)))
      }
    }
  }

  @Test(.database) func oneCancelledCallerLeavesTheOthersOfItsBatchAlone() async throws {
    try await withTestPool { pool in
      try await pool.withConnection { try await $0.executeScript(Conversation.tables) }
      let proxy = try FaultProxy(to: TestDatabase.current)
      defer { proxy.stop() }
      let ledger = Ledger()
      try await withLane(proxy.connectionString(.tcp)) { lane in
        try await lane.execute("SELECT 1")
        await proxy.ask { $0.setFlow(.held, .toClient, onLink: 0) }
        // The first goes by itself and its answer is held back; the others gather behind it.
        let first = insertTogether(lane, 0..<1, ledger: ledger)[0]
        try await waitUntil(pool) { try await pool.execute("SELECT FROM item").count == 1 }
        let others = insertTogether(lane, 1..<20, ledger: ledger)
        try await waitUntil(pool) { lane.state.withLockedValue { $0.machine.waitingCount == 19 } }
        // Let go of one answer: the others travel together, and theirs is held back again.
        await proxy.ask {
          $0.setFlow(.through, .toClient, onLink: 0)
          $0.setFlow(.held, .toServer, onLink: 0)
        }
        #expect(await first.value.error == nil)
        await proxy.ask {
          $0.setFlow(.held, .toClient, onLink: 0)
          $0.setFlow(.through, .toServer, onLink: 0)
        }
        try await waitUntil(pool) { try await pool.execute("SELECT FROM item").count == 20 }
        others[7].cancel()
        let cancelled = await others[7].value.error
        #expect(cancelled?.code == .cancelled)
        #expect(cancelled?.mayHaveTakenEffect == true, "it is committed already")
        await proxy.ask { $0.setFlow(.through, .toClient, onLink: 0) }
        var transactions: Set<Int?> = []
        for (index, other) in others.enumerated() where index != 7 {
          let answer = await other.value
          #expect(answer.error == nil)
          transactions.insert(answer.transaction)
        }
        #expect(transactions.count == 1, "they travelled together")
      }
      #expect(try await ledger.lies(pool) == [])
    }
  }

  @Test(.database) func whoLeavesBeforeTheRepetitionOfALostBatchIsToldThatItMayStand() async throws {
    try await withTestPool { pool in
      try await pool.withConnection { try await $0.executeScript(Conversation.tables) }
      let proxy = try FaultProxy(to: TestDatabase.current)
      defer { proxy.stop() }
      try await withLane(proxy.connectionString(.tcp), { $0.outageTolerance = .seconds(600) }) { lane in
        try await lane.execute("SELECT 1")
        // The answer is lost with the connection, and there is no other to repeat the work on.
        await proxy.ask {
          $0.refusesClients = true
          $0.plan(Fault(direction: .toClient, point: .bytes(1), manner: .finish), onLink: 0)
        }
        let caller = Task {
          let insert = PostgresStatement("INSERT INTO item_once VALUES (1) ON CONFLICT DO NOTHING")
          return try await lane.execute(PostgresBatch(statements: [insert]), isIdempotent: true)
        }
        try await waitUntil(pool) { try await pool.execute("SELECT FROM item_once").count == 1 }
        try await waitUntil(pool) { lane.state.withLockedValue { $0.machine.waitingCount == 1 } }
        caller.cancel()
        let error = await postgresError { try await caller.value }
        #expect(error?.code == .cancelled)
        #expect(error?.mayHaveTakenEffect == true)
        await proxy.ask { $0.endFaults() }
      }
    }
  }

  @Test(.database) func aLaneThatPreparesNothingServesManyCallersAllTheSame() async throws {
    try await withLane(TestDatabase.current, { $0.preparesStatements = false }) { lane in
      let tokens = try await withThrowingTaskGroup(of: Int.self) { group in
        for token in 0..<100 {
          group.addTask {
            try await lane.execute(Conversation.echo(token)).rows[0].decode("token", as: Int.self)
          }
        }
        return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
      }
      #expect(tokens == Set(0..<100))
      #expect(try await lane.execute("SELECT FROM pg_prepared_statements").count == 0)
    }
  }

  @Test func callersWaitOutARestartOfTheServer() async throws {
    try await PrivateServer.with { server in
      func waits(_ configuration: inout PostgresLane.Configuration) {
        configuration.outageTolerance = .seconds(300)
        configuration.defaultTimeout = .seconds(300)
      }
      try await withLane(server.connectionString, waits) { lane in
        let before = try await lane.execute("SELECT pg_postmaster_start_time()::text AS at")
        try await server.stop()
        let refused = await postgresError {
          try await lane.execute(PostgresStatement("SELECT 1"), deadline: .now + .milliseconds(300))
        }
        // Whoever has less patience than the lane is told why nothing can be done, where that is known by then.
        #expect([.connectionFailed, .connectionLost, .timedOut].contains(refused?.code))
        #expect(refused?.mayHaveTakenEffect == false)
        async let patient = lane.execute("SELECT pg_postmaster_start_time()::text AS at")
        try await server.start()
        let after = try await patient
        #expect(
          try before.rows[0].decode("at", as: String.self) != after.rows[0].decode("at", as: String.self))
      }
    }
  }

  @Test(.database, arguments: [false, true])
  func aShutdownUnderLoadAnswersEveryoneTruthfully(isAtOnce: Bool) async throws {
    try await withTestPool { pool in
      try await pool.withConnection { try await $0.executeScript(Conversation.tables) }
      let ledger = Ledger()
      let lane = PostgresLane(
        configuration: PostgresLane.Configuration.patient(TestDatabase.current),
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
      let running = Task { try await lane.run() }
      let callers = (0..<300).map { token in
        Task {
          for _ in 0..<token { await Task.yield() }
          return await ledger.writing([token], "caller \(token)") {
            _ = try await lane.execute(PostgresBatch(statements: [Conversation.insert(token)]))
          }
        }
      }
      _ = await callers[60].value
      if isAtOnce { running.cancel() } else { lane.shutDown() }
      var refused = 0
      for caller in callers {
        guard let error = await caller.value.flatMap(PostgresError.first(in:)) else { continue }
        #expect(error.code == .closed)
        // In good order nobody is refused who had been let in.
        if !isAtOnce { #expect(!error.mayHaveTakenEffect) }
        refused += 1
      }
      #expect(refused < 300)
      try await running.value
      // What was under way when its caller was sent away may end a little later.
      try await waitUntil(pool) {
        try await pool.execute(
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'INSERT INTO item%'"
        ).count == 0
      }
      #expect(try await ledger.lies(pool) == [])
    }
  }
}
