import Logging
import RegistryPostgres
import ServiceLifecycle
import TestDatabase
import Testing

@Suite(.database)
struct PoolTests {
  @Test func servesHundredsOfTasksOverFewConnections() async throws {
    try await withTestPool({ $0.maximumConnections = 3 }) { pool in
      let pids = try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<400 {
          group.addTask {
            let statement = PostgresStatement(
              name: "echo", "SELECT $1::bigint AS number, pg_backend_pid() AS pid", [.int(number)])
            let row = try #require(try await pool.execute(statement).rows.first)
            try #require(try row.decode("number", as: Int.self) == number)
            return try row.decode("pid", as: Int.self)
          }
        }
        return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
      }
      #expect((1...3).contains(pids.count))
    }
  }

  @Test func refusesMoreCallersThanMayWait() async throws {
    try await withTestPool({
      $0.maximumConnections = 1
      $0.maximumWaiting = 1
    }) { pool in
      try await pool.withConnection { connection in
        // Of two callers the one who comes second is refused; the other leaves with its task.
        let error = await postgresError {
          try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2 { group.addTask { try await pool.execute("SELECT 1") } }
            try await group.next()
          }
        }
        #expect(error?.code == .queueFull)
        #expect(error?.isRetryable == true)
        try await connection.execute("SELECT 1")
      }
      try await pool.execute("SELECT 1")
    }
  }

  @Test func givesUpAtTheDeadlineWhileWaiting() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.withConnection { _ in
        let error = await postgresError {
          try await pool.execute(PostgresStatement("SELECT 1"), deadline: .now + .milliseconds(30))
        }
        #expect(error?.code == .timedOut)
        #expect(error?.mayHaveTakenEffect == false)
        #expect(error?.description.contains("all connections were in use") == true)
      }
      try await pool.execute("SELECT 1")
    }
  }

  @Test func aCancelledCallerLeavesTheQueue() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.withConnection { _ in
        let waiting = Task { try await pool.execute("SELECT 1") }
        waiting.cancel()
        let error = await postgresError { try await waiting.value }
        #expect(error?.code == .cancelled)
      }
      try await pool.execute("SELECT 1")
    }
  }

  @Test func callersOfAPoolThatNeverRunsGetAnError() async throws {
    let pool = PostgresPool(configuration: .patient(TestDatabase.current), logger: Logger(label: "test"))
    let error = await postgresError {
      try await pool.execute(PostgresStatement("SELECT 1"), deadline: .now + .milliseconds(20))
    }
    #expect(error?.code == .timedOut)
    #expect(error?.description.contains("run()") == true)
  }

  @Test func callersBeforeTheRunAreServedByIt() async throws {
    let pool = PostgresPool(configuration: .patient(TestDatabase.current), logger: Logger(label: "test"))
    async let early = pool.execute("SELECT 1")
    let running = Task { try await pool.run() }
    _ = try await early
    let error = await postgresError { try await pool.run() }
    #expect(error?.code == .closed)
    try await pool.execute("SELECT 1")
    running.cancel()
    try await running.value
    #expect(await postgresError { try await pool.execute("SELECT 1") }?.code == .closed)
  }

  @Test func gracefulShutdownWaitsForConnectionsInUse() async throws {
    let pool = PostgresPool(configuration: .patient(TestDatabase.current), logger: Logger(label: "test"))
    let group = ServiceGroup(services: [pool], logger: Logger(label: "test"))
    let running = Task { try await group.run() }
    try await pool.withConnection { connection in
      try await connection.execute("SELECT 1")
      await group.triggerGracefulShutdown()
      while await postgresError({ try await pool.execute("SELECT 1") })?.code != .closed { await Task.yield() }
      try await connection.execute("SELECT 1")
    }
    try await running.value
  }

  @Test func cancellingTheRunClosesConnectionsInUse() async throws {
    let pool = PostgresPool(configuration: .patient(TestDatabase.current), logger: Logger(label: "test"))
    let running = Task { try await pool.run() }
    let error = await postgresError {
      try await pool.withConnection { connection in
        running.cancel()
        return try await connection.execute("SELECT pg_sleep(60)")
      }
    }
    #expect([.closed, .connectionLost].contains(error?.code))
    try await running.value
  }

  @Test func replacesAConnectionThatDiedWhileIdle() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      let first = try await pool.withConnection { $0.backendPID }
      try await terminate(first)
      let second = try await pool.withConnection { connection in
        try await connection.execute("SELECT 1")
        return connection.backendPID
      }
      #expect(first != second)
    }
  }

  @Test func closesAConnectionThatIsLeftInATransaction() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      let first = try await pool.withConnection { connection in
        try await connection.execute("BEGIN")
        return connection.backendPID
      }
      #expect(try await pool.withConnection { $0.backendPID } != first)
    }
  }

  @Test func closesARetiredConnection() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      let first = try await pool.withConnection { connection in
        await connection.retire()
        try await connection.execute("SELECT 1")
        return connection.backendPID
      }
      #expect(try await pool.withConnection { $0.backendPID } != first)
    }
  }

  @Test func aSettingOfATransactionDoesNotReachTheNextUser() async throws {
    let setting = try PostgresBatch.Setting("registry.tenant_id", "a'b")
    let read = PostgresStatement("SELECT current_setting('registry.tenant_id', true) AS tenant")
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      let inside = try await pool.withTransaction(settings: [setting]) { try await $0.execute(read) }
      #expect(try inside.rows[0].decode("tenant", as: String.self) == "a'b")
      #expect(try await pool.execute(read).rows[0].decode("tenant", as: String.self) == "")
      _ = try await pool.execute(PostgresBatch(settings: [setting], statements: [read]))
      #expect(try await pool.execute(read).rows[0].decode("tenant", as: String.self) == "")
      _ = await postgresError {
        try await pool.execute(PostgresBatch(settings: [setting], statements: [PostgresStatement("SELECT 1/0")]))
      }
      #expect(try await pool.execute(read).rows[0].decode("tenant", as: String.self) == "")
    }
  }

  @Test func refusesUseAfterTheClosure() async throws {
    try await withTestPool { pool in
      let connection = try await pool.withConnection { $0 }
      #expect(await postgresError { try await connection.execute("SELECT 1") }?.code == .closed)
      let transaction = try await pool.withTransaction { $0 }
      #expect(await postgresError { try await transaction.execute("SELECT 1") }?.code == .closed)
    }
  }

  @Test func refusesTwoStatementsAtOnceOnOneConnection() async throws {
    try await withTestPool { pool in
      try await pool.withConnection { connection in
        let error = await postgresError {
          try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2 { group.addTask { try await connection.execute("SELECT pg_sleep(60)") } }
            try await group.next()
          }
        }
        #expect(error?.code == .busy)
      }
    }
  }

  @Test func worksAsTheRoleOfTheConfiguration() async throws {
    try await withTestPool { pool in
      let name = "role with \\ and space \(UInt32.random(in: 0...UInt32.max))"
      try await pool.execute("CREATE ROLE \"\(name)\"")
      try await withTestPool(role: name) { pool in
        let row = try await pool.execute("SELECT current_user AS role").rows[0]
        #expect(try row.decode("role", as: String.self) == name)
      }
      try await pool.execute("DROP ROLE \"\(name)\"")
      let error = await postgresError { try await withTestPool(role: name) { try await $0.execute("SELECT 1") } }
      #expect(error?.code == .connectionFailed)
    }
  }

  @Test(
    arguments: [
      { $0.maximumConnections = 0 }, { $0.maximumWaiting = -1 }, { $0.defaultTimeout = .zero }, { $0.role = "" },
      { $0.connectionString = "host=localhost password=hunter2 hunter2" },
      { $0.connectionString = "host=a,b port=1,2,3" },
    ] as [@Sendable (inout PostgresPool.Configuration) -> Void])
  func refusesAConfigurationThatCannotWork(change: @Sendable (inout PostgresPool.Configuration) -> Void) async throws {
    let error = await postgresError { try await withTestPool(change) { _ in } }
    #expect(error?.code == .invalidConfiguration)
    #expect(!String(reflecting: error).contains("hunter2"))
    var configuration = PostgresPool.Configuration.patient(TestDatabase.current)
    change(&configuration)
    let pool = PostgresPool(configuration: configuration, logger: Logger(label: "test"))
    #expect(await postgresError { try await pool.run() }?.code == .invalidConfiguration)
    #expect(await postgresError { try await pool.execute("SELECT 1") }?.code == .closed)
  }

  @Test func aConfigurationShowsNoPassword() {
    let configuration = PostgresPool.Configuration("postgres://u:hunter2@localhost")
    var dumped = ""
    dump(configuration, to: &dumped)
    for text in ["\(configuration)", String(reflecting: configuration), dumped] { #expect(!text.contains("hunter2")) }
  }
}

/// Ends a backend and returns once it is gone.
func terminate(_ pid: Int32) async throws {
  try await withTestPool({ $0.maximumConnections = 1 }) { pool in
    try await pool.execute("SELECT pg_terminate_backend($1::int, 30000)", [.int(pid)])
  }
}

/// Returns once a query on another connection says `t`.
func waitUntil(_ condition: String, _ parameters: [PostgresParameter] = []) async throws {
  try await withTestPool({ $0.maximumConnections = 1 }) { pool in
    let deadline = ContinuousClock.now + .seconds(30)
    while try await !pool.execute("SELECT (\(condition)) AS met", parameters).rows[0].decode("met", as: Bool.self) {
      try #require(ContinuousClock.now < deadline, "the condition did not come true: \(condition)")
      await Task.yield()
    }
  }
}
