import Foundation
import Logging
import NIOConcurrencyHelpers
import TestDatabase
import TestRandom
import Testing

@testable import RegistryPostgres

/// Two lanes are two processes: nothing but the order of their callers keeps their transactions from deadlocks.
@Suite(.database)
struct LaneOrderTests {
  private static let callers = 64

  /// A lane whose callers have all come before it runs, so that they begin in one transaction.
  /// - Returns: in how many transactions they ended: more than one where it failed and each was run by itself.
  private func upsert(
    _ keys: [Int], order: @escaping @Sendable (Int) -> PostgresBatch.Order
  ) async throws -> Int {
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let lane = PostgresLane(configuration: .patient(TestDatabase.current), logger: logger)
    return try await withThrowingTaskGroup(of: Int.self) { group in
      for (count, key) in keys.enumerated() {
        group.addTask {
          let statement = PostgresStatement(
            name: "count",
            "INSERT INTO hot VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET hits = hot.hits + 1 "
              + "RETURNING txid_current() AS tx", [.int(key)])
          let results = try await lane.execute(PostgresBatch(statements: [statement], order: order(key)))
          return try results[0].rows[0].decode("tx", as: Int.self)
        }
        while lane.state.withLockedValue({ $0.machine.waitingCount }) <= count { await Task.yield() }
      }
      let running = Task { try await lane.run() }
      let transactions = try await group.reduce(into: Set<Int>()) { $0.insert($1) }
      lane.shutDown()
      try await running.value
      return transactions.count
    }
  }

  /// Two lanes lock the same rows, each round in new orders.
  /// - Returns: the first round in which a transaction failed; `nil` where none did.
  private func contend(
    rounds: Int, seed: UInt64, order: @escaping @Sendable (Int) -> PostgresBatch.Order
  ) async throws -> Int? {
    var random = SeededGenerator(seed: seed)
    return try await withTestPool { pool in
      try await pool.execute("CREATE TABLE hot (id int PRIMARY KEY, hits int NOT NULL)")
      let database = try await pool.execute("SELECT current_database()::text AS name").rows[0].decode(
        "name", as: String.self)
      try await pool.execute("ALTER DATABASE \(database) SET deadlock_timeout = '10ms'")
      for round in 1...rounds {
        let first = (0..<Self.callers).shuffled(using: &random)
        let second = (0..<Self.callers).shuffled(using: &random)
        // Both are let go at the same moment, each as far as its first row.
        let (one, other) = try await pool.withTransaction { gate in
          try await gate.execute("LOCK TABLE hot IN SHARE MODE")
          let one = Task { try await upsert(first, order: order) }
          let other = Task { try await upsert(second, order: order) }
          let waiting =
            "SELECT FROM pg_locks WHERE relation = 'hot'::regclass AND NOT granted"
          while try await pool.execute(waiting).count < 2 { await Task.yield() }
          return (one, other)
        }
        let transactions = try await one.value + other.value
        try await expectHits(2 * round, pool)
        if transactions > 2 { return round }
      }
      return nil
    }
  }

  /// Each caller's work is done exactly once, deadlock or not.
  private func expectHits(_ count: Int, _ pool: PostgresPool) async throws {
    let hits = try await pool.execute("SELECT DISTINCT hits FROM hot").rows.map { try $0.decode("hits", as: Int.self) }
    #expect(hits == [count])
  }

  @Test func lanesThatLockHotRowsInOneOrderDoNotDeadlock() async throws {
    let seed = TestSeed.take()
    let failed = try await contend(rounds: 20, seed: seed) { .by([UInt8($0)]) }
    #expect(failed == nil)
  }

  @Test func withoutAnOrderTheyDeadlockAndAreRepeated() async throws {
    let failed = try await contend(rounds: 100, seed: 1) { _ in .any }
    #expect(failed != nil)
  }
}
