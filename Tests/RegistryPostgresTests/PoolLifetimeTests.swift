import Logging
import RegistryPostgres
import TestDatabase
import Testing

/// How connections of a pool end: by age, by idleness, with the pool, and with their server.
@Suite(.database)
struct PoolLifetimeTests {
  private let ownConnections =
    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'aged'"

  private func makePool(_ configure: (inout PostgresPool.Configuration) -> Void = { _ in }) -> PostgresPool {
    var configuration = PostgresPool.Configuration.patient(TestDatabase.current)
    configuration.applicationName = "aged"
    configuration.maximumConnections = 4
    configure(&configuration)
    return PostgresPool(configuration: configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
  }

  @Test(.timeLimit(.minutes(20))) func aConnectionPastItsLifetimeIsReplacedWhenItComesBack() async throws {
    try await withTestPool({
      $0.maximumConnections = 1
      $0.maximumLifetime = .milliseconds(50)
    }) { pool in
      let first = try await pool.withConnection { connection in
        // Longer than it may live: it is not taken away from its user.
        try await connection.execute("SELECT pg_sleep(0.1)")
        return connection.backendPID
      }
      let second = try await pool.withConnection { $0.backendPID }
      #expect(first != second)
    }
  }

  @Test(.timeLimit(.minutes(20)), arguments: [true, false])
  func aConnectionThatNobodyUsesIsClosed(byAge: Bool) async throws {
    try await withTestPool({
      $0.applicationName = "aged"
      if byAge { $0.maximumLifetime = .milliseconds(50) } else { $0.maximumIdleTime = .milliseconds(50) }
    }) { pool in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<4 { group.addTask { try await pool.execute("SELECT pg_sleep(0.01)") } }
        try await group.waitForAll()
      }
      try await waitUntil("NOT EXISTS (\(ownConnections))")
      try await pool.execute("SELECT 1")
    }
  }

  /// Callers come all the time; each gets its row or is told that the pool is closed, and nothing is left behind.
  @Test(.timeLimit(.minutes(20)), arguments: [true, false])
  func aPoolThatEndsUnderLoadAnswersEveryCaller(inOrder: Bool) async throws {
    let pool = makePool()
    let running = Task { try await pool.run() }
    let (served, servedInput) = AsyncStream.makeStream(of: Void.self)
    let outcomes = await withTaskGroup(of: PostgresError.Code?.self) { group in
      for number in 0..<400 {
        group.addTask {
          do {
            let statement = PostgresStatement("SELECT $1::int AS number, pg_sleep(0.001)", [.int(number)])
            let found = try await pool.execute(statement).rows[0].decode("number", as: Int.self)
            #expect(found == number)
            servedInput.yield()
            return nil
          } catch {
            return (error as? PostgresError)?.code ?? .unsupported
          }
        }
      }
      group.addTask {
        var count = 0
        for await _ in served {
          count += 1
          if count == 50 { break }
        }
        if inOrder { pool.shutDown() } else { running.cancel() }
        return nil
      }
      return await group.reduce(into: [PostgresError.Code?]()) { $0.append($1) }
    }
    try await running.value
    #expect(outcomes.count == 401)
    let refusals = outcomes.compactMap { $0 }
    #expect(!refusals.isEmpty)
    let allowed: Set<PostgresError.Code> = inOrder ? [.closed] : [.closed, .connectionLost]
    #expect(Set(refusals).isSubset(of: allowed), "\(Set(refusals))")
    #expect(await postgresError { try await pool.execute("SELECT 1") }?.code == .closed)
    try await waitUntil("NOT EXISTS (\(ownConnections))")
  }

  @Test(.timeLimit(.minutes(20))) func allItsConnectionsMayDieAtOnce() async throws {
    try await withTestPool({ $0.applicationName = "aged" }) { pool in
      for _ in 0..<3 {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for _ in 0..<4 { group.addTask { try await pool.execute("SELECT pg_sleep(0.01)") } }
          try await group.waitForAll()
        }
        try await withTestPool({ $0.maximumConnections = 1 }) { other in
          try await other.execute(
            """
            SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'aged'
            """)
        }
        // Found dead before they are lent, they cost their callers nothing.
        try await withThrowingTaskGroup(of: Void.self) { group in
          for _ in 0..<8 { group.addTask { try await pool.execute("SELECT 1") } }
          try await group.waitForAll()
        }
      }
    }
  }
}
