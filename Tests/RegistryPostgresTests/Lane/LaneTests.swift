import Foundation
import Logging
import TestDatabase
import Testing

@testable import RegistryPostgres

@Suite(.database)
struct LaneTests {
  private func withLane<Value: Sendable>(
    _ connectionString: String = TestDatabase.current, role: String? = nil,
    _ configure: (inout PostgresLane.Configuration) -> Void = { _ in },
    _ body: (PostgresLane) async throws -> sending Value
  ) async throws -> Value {
    var configuration = PostgresLane.Configuration.patient(connectionString, role: role)
    configure(&configuration)
    return try await PostgresLane.withLane(
      configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, body)
  }

  private func insert(_ id: Int) -> PostgresStatement {
    PostgresStatement(
      name: "insert_item", "INSERT INTO item VALUES ($1) RETURNING id, txid_current() AS tx", [.int(id)])
  }

  private func waitForSleep(_ pool: PostgresPool, until deadline: Duration = .seconds(300)) async throws {
    let end = ContinuousClock.now + deadline
    while ContinuousClock.now < end {
      let rows = try await pool.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'")
      if rows.count > 0 { return }
      await Task.yield()
    }
    Issue.record("nothing sleeps")
  }

  @Test func manyCallersShareTransactionsAndOnlyTheBadOnesFail() async throws {
    try await withTestPool { pool in
      try await pool.execute("CREATE TABLE item (id int PRIMARY KEY CHECK (id % 50 <> 7))")
      try await withLane { lane in
        let transactions = try await withThrowingTaskGroup(of: Int?.self) { group in
          for number in 0..<256 {
            group.addTask {
              let echo = PostgresStatement(name: "echo", "SELECT $1::int AS number", [.int(number)])
              do {
                let results = try await lane.execute(PostgresBatch(statements: [echo, insert(number)]))
                #expect(number % 50 != 7)
                #expect(results.count == 2)
                let echoed = try results[0].rows[0].decode("number", as: Int.self)
                let inserted = try results[1].rows[0].decode("id", as: Int.self)
                #expect(echoed == number && inserted == number)
                return try results[1].rows[0].decode("tx", as: Int.self)
              } catch let error as PostgresError {
                #expect(number % 50 == 7 && error.isCheckViolation && error.statementIndex == 1, "\(error)")
                return nil
              }
            }
          }
          return try await group.reduce(into: [Int]()) { if let tx = $1 { $0.append(tx) } }
        }
        #expect(transactions.count == 251)
        // Without a bad one among them they stay together.
        let good = try await withThrowingTaskGroup(of: Int.self) { group in
          for number in 1000..<1050 where number % 50 != 7 {
            group.addTask {
              try await lane.execute(PostgresBatch(statements: [insert(number)]))[0].rows[0].decode("tx", as: Int.self)
            }
          }
          return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
        }
        #expect(good.count < 49)
      }
      #expect(try await pool.execute("SELECT FROM item").count == 300)
    }
  }

  @Test func aNeighboursTenantIsNeverSeen() async throws {
    try await withTestPool { pool in
      let role = "lane_\(UUID().uuidString.prefix(8).lowercased())"
      try await pool.execute("CREATE TABLE item (tenant uuid)")
      try await pool.execute("ALTER TABLE item ENABLE ROW LEVEL SECURITY")
      try await pool.execute(
        "CREATE POLICY p ON item USING (tenant = nullif(current_setting('registry.tenant_id', true), '')::uuid)")
      try await pool.execute("CREATE ROLE \(role)")
      try await pool.execute("GRANT SELECT ON item TO \(role)")
      let tenants = [UUID(), UUID(), UUID()]
      try await pool.execute("INSERT INTO item SELECT unnest($1::uuid[])", [.uuidArray(tenants)])
      try await withLane(role: role) { lane in
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in 0..<200 {
            group.addTask {
              // Every fourth caller sets no tenant, and so must see nothing.
              let tenant: UUID? = number % 4 == 3 ? nil : tenants[number % 4]
              let settings = try tenant.map { [try PostgresBatch.Setting("registry.tenant_id", $0)] } ?? []
              let select = PostgresStatement(name: "items", "SELECT tenant FROM item")
              let rows = try await lane.execute(PostgresBatch(settings: settings, statements: [select]))[0].rows
              let seen = try rows.map { try $0.decode("tenant", as: UUID.self) }
              #expect(seen == [tenant].compactMap { $0 })
            }
          }
          try await group.waitForAll()
        }
      }
      try await pool.execute("DROP TABLE item")
      try await pool.execute("DROP ROLE \(role)")
    }
  }

  @Test func aSingleStatementRunsWithoutBeginAndSeesItsDeferredConstraint() async throws {
    try await withTestPool { pool in
      try await pool.execute("CREATE TABLE item (id bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)")
      try await withLane { lane in
        let error = await postgresError { try await lane.execute("INSERT INTO item VALUES (1), (1)") }
        #expect(error?.isUniqueViolation == true)
        #expect(error?.mayHaveTakenEffect == false)
        let inserted = try await lane.execute("INSERT INTO item VALUES (1), (2)")
        #expect(inserted.affectedRows == 2)
      }
      #expect(try await pool.execute("SELECT FROM item").count == 2)
    }
  }

  @Test func refusesWhatWouldHarmTheNeighbours() async throws {
    for text in [
      "COMMIT", "/* SELECT */ SET x = 1", "-- SELECT\nROLLBACK", "COPY item FROM STDIN",
      "SELECT set_config('a.b', '', true)",
      "\r\rBEGIN", "", "WITH x AS (SELECT Set_Config('a.b', '1', false)) SELECT 1",
    ] {
      #expect(LaneRequest.reads(text) == nil, "\(text)")
    }
    for text in ["SELECT 1", " (select 1)", "-- a\n/* b /* c */ */ WITH x AS (SELECT 1) TABLE x"] {
      #expect(LaneRequest.reads(text) != nil, "\(text)")
    }
    try await withLane { lane in
      let error = await postgresError { try await lane.execute(PostgresBatch(statements: [PostgresStatement("END")])) }
      #expect(error?.code == .unsupported)
      #expect(error?.statementIndex == 0)
    }
  }

  @Test func oneCallersEndLeavesTheOthersAlone() async throws {
    try await withTestPool { pool in
      try await withLane { lane in
        let sleeper = Task { try await lane.execute("SELECT pg_sleep(60)") }
        try await waitForSleep(pool)
        let late = Task {
          try await lane.execute(PostgresStatement("SELECT 1 AS n"), deadline: .now + .milliseconds(20))
        }
        let waiting = Task { try await lane.execute("SELECT 2 AS n") }
        let timedOut = await postgresError { try await late.value }
        #expect(timedOut?.code == .timedOut)
        #expect(timedOut?.mayHaveTakenEffect == false)
        // Nobody else travels with it, so the server is told to stop and the lane goes on.
        sleeper.cancel()
        let cancelled = await postgresError { try await sleeper.value }
        #expect(cancelled?.code == .cancelled)
        #expect(cancelled?.mayHaveTakenEffect == true)
        let two = try await waiting.value.rows[0].decode("n", as: Int.self)
        #expect(two == 2)
      }
    }
  }

  @Test func aFullQueueRefuses() async throws {
    try await withTestPool { pool in
      try await withLane(TestDatabase.current, { $0.maximumWaiting = 1 }) { lane in
        let sleeper = Task { try await lane.execute("SELECT pg_sleep(60)") }
        try await waitForSleep(pool)
        let error = await postgresError {
          try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2 { group.addTask { try await lane.execute("SELECT 1") } }
            try await group.next()
          }
        }
        #expect(error?.code == .queueFull)
        sleeper.cancel()
        _ = await sleeper.result
        try await lane.execute("SELECT 1")
      }
    }
  }

  @Test func aKilledBackendCostsOnlyThoseWhoMayHaveTakenEffect() async throws {
    try await withTestPool { pool in
      try await pool.execute("CREATE TABLE item (id int PRIMARY KEY)")
      try await withLane { lane in
        let terminate = PostgresStatement("SELECT pg_terminate_backend(pg_backend_pid())")
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in 0..<64 {
            group.addTask {
              if number == 20 {
                let error = await postgresError { try await lane.execute(PostgresBatch(statements: [terminate])) }
                #expect(error?.code == .connectionLost)
                #expect(error?.mayHaveTakenEffect == false)
              } else {
                _ = try await lane.execute(PostgresBatch(statements: [insert(number)]))
              }
            }
          }
          try await group.waitForAll()
        }
      }
      #expect(try await pool.execute("SELECT FROM item").count == 63)
    }
  }

  @Test func aCommitAnsweredRollbackIsAnError() async throws {
    let answer =
      FakeServer.command("BEGIN") + FakeServer.command("INSERT 0 1") + FakeServer.command("ROLLBACK")
      + FakeServer.ready("I")
    let server = try FakeServer(.answering([answer]))
    try await withLane(server.connectionString) { lane in
      let batch = PostgresBatch(statements: [PostgresStatement("INSERT INTO item VALUES (1)")])
      let error = await postgresError { try await lane.execute(batch) }
      #expect(error?.code == .rolledBack)
      #expect(error?.mayHaveTakenEffect == false)
    }
  }

  @Test func theFirstCallerFindsTheConnectionDeadAndWaitsForTheNext() async throws {
    try await withTestPool { pool in
      try await withLane { lane in
        let others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        var ended = 0
        while ended == 0 {
          ended = try await pool.execute("SELECT pg_terminate_backend(pid, 5000) FROM (\(others)) AS other").count
          await Task.yield()
        }
        _ = try await lane.execute(PostgresStatement("SELECT 1"), deadline: .now + .seconds(10))
      }
    }
  }

  @Test func survivesAConnectionThatDiedAtRest() async throws {
    try await withTestPool { pool in
      try await withLane { lane in
        for _ in 0..<3 {
          let pid = try await lane.execute("SELECT pg_backend_pid() AS pid").rows[0].decode("pid", as: Int.self)
          try await pool.execute("SELECT pg_terminate_backend($1, 5000)", [.int(pid)])
          try await lane.execute("SELECT 1")
        }
      }
    }
  }
}
