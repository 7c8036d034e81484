import Foundation

@testable import RegistryPostgres

/// What a body throws to have its transaction rolled back.
private struct Abandoned: Error {}

/// How often hot rows were raised for certain, and how often perhaps.
final class HotTally: @unchecked Sendable {
  // Guarded by the lock.
  private let lock = NSLock()
  private var certain: [Int: Int] = [:]
  private var possible: [Int: Int] = [:]

  func note(_ keys: [Int], isCertain: Bool) {
    lock.withLock {
      for key in keys {
        if isCertain { certain[key, default: 0] += 1 }
        possible[key, default: 0] += 1
      }
    }
  }

  func lies(_ counts: [Int: Int]) -> [String] {
    lock.withLock {
      Set(possible.keys).union(counts.keys).sorted().compactMap { key in
        let range = (certain[key] ?? 0)...(possible[key] ?? 0)
        let count = counts[key] ?? 0
        return range.contains(count) ? nil : "hot row \(key) was raised \(count) times, callers were told \(range)"
      }
    }
  }
}

extension ChaosWorld {
  /// One caller: begins when it is due, is cancelled when it is due, checks what it is told.
  /// - Returns: what was not as it has to be.
  func perform(_ operation: ChaosOperation, in schedule: ChaosSchedule) async -> String? {
    for _ in 0..<operation.start { await Task.yield() }
    let task = Task { await attempt(operation) }
    if let cancel = operation.cancel {
      for _ in 0..<cancel { await Task.yield() }
      task.cancel()
    }
    switch await task.value {
    case .success(let complaint): return complaint.map { "\(operation): \($0)" }
    case .failure(let error):
      return isAllowed(error, operation, schedule) ? nil : "\(operation) must not see \(error)"
    }
  }

  /// - Returns: what was wrong with the answer, or the error.
  private func attempt(_ operation: ChaosOperation) async -> Result<String?, any Error> {
    let deadline = operation.deadline.map { ContinuousClock.now + .microseconds($0) }
    var complaint: String?
    func run() async throws {
      complaint =
        switch places[operation.place] {
        case .pool(let pool): try await speak(pool, operation, deadline)
        case .lane(let lane): try await speak(lane, operation, deadline)
        }
    }
    do {
      switch operation.work {
      case .echo, .slowEcho, .largeResult, .largeParameter: try await run()
      case .hotRows:
        do {
          try await run()
          tally.note(operation.keys, isCertain: true)
        } catch {
          if Ledger.mayHaveTakenEffect(error) { tally.note(operation.keys, isCertain: false) }
          throw error
        }
      default:
        let error = await ledger.writing([operation.token], "\(operation)", run)
        if let error { throw error }
      }
      return .success(complaint)
    } catch {
      return .failure(error)
    }
  }

  private func speak(
    _ pool: PostgresPool, _ operation: ChaosOperation, _ deadline: ContinuousClock.Instant?
  ) async throws -> String? {
    switch operation.work {
    case .transaction, .abandonedTransaction, .failingTransaction:
      let settings = try settings(operation)
      return try await pool.withTransaction(settings: settings, deadline: deadline) { transaction in
        let insert = Conversation.insert(operation.token, named: operation.isNamed)
        let first = complaint([try await transaction.execute(insert, deadline: deadline)], operation, tenant: nil)
        if operation.work == .abandonedTransaction { throw Abandoned() }
        if operation.work == .failingTransaction { try await transaction.execute(Conversation.failing) }
        let echo = Conversation.echo(operation.token, named: operation.isNamed)
        let echoed = try await transaction.execute(echo, deadline: deadline)
        return first ?? complaint([echoed], operation, tenant: operation.tenant ?? "")
      }
    case .severalStatements:
      return try await pool.withConnection(deadline: deadline) { connection in
        for _ in 0..<2 {
          let echo = Conversation.echo(operation.token, named: operation.isNamed)
          if let wrong = complaint([try await connection.execute(echo, deadline: deadline)], operation, tenant: "") {
            return wrong
          }
        }
        let insert = Conversation.insert(operation.token, named: operation.isNamed)
        return complaint([try await connection.execute(insert, deadline: deadline)], operation, tenant: nil)
      }
    default:
      if let statement = single(operation) {
        return complaint([try await pool.execute(statement, deadline: deadline)], operation, tenant: "")
      }
      return complaint(
        try await pool.execute(batch(operation), deadline: deadline), operation, tenant: operation.tenant ?? "")
    }
  }

  private func speak(
    _ lane: PostgresLane, _ operation: ChaosOperation, _ deadline: ContinuousClock.Instant?
  ) async throws -> String? {
    if let statement = single(operation) {
      return complaint([try await lane.execute(statement, deadline: deadline)], operation, tenant: "")
    }
    return complaint(
      try await lane.execute(batch(operation), isIdempotent: operation.work == .writeOnce, deadline: deadline),
      operation, tenant: operation.tenant ?? "")
  }

  /// The operation as one statement by itself, where it is one.
  private func single(_ operation: ChaosOperation) -> PostgresStatement? {
    let isNamed = operation.isNamed
    switch operation.work {
    case .echo: return Conversation.echo(operation.token, named: isNamed)
    case .slowEcho:
      return PostgresStatement(
        name: isNamed ? "slow_echo" : nil, "SELECT $1::bigint AS token, pg_sleep($2)",
        [.int(operation.token), .double(Double(operation.token % 4) / 1000)])
    case .largeResult:
      return PostgresStatement(
        "SELECT $1::bigint AS token, repeat('x', 1000) AS filling FROM generate_series(1, 150)",
        [.int(operation.token)])
    case .largeParameter:
      return PostgresStatement(
        "SELECT $1::bigint AS token, length($2) AS size",
        [.int(operation.token), .text(String(repeating: "x", count: 200_000))])
    case .write: return Conversation.insert(operation.token, named: isNamed)
    case .failingStatement: return Conversation.failing
    default: return nil
    }
  }

  private func settings(_ operation: ChaosOperation) throws -> [PostgresBatch.Setting] {
    try operation.tenant.map { [try .init("registry.tenant_id", $0)] } ?? []
  }

  private func batch(_ operation: ChaosOperation) throws -> PostgresBatch {
    let echo = Conversation.echo(operation.token, named: operation.isNamed)
    var statements = [Conversation.insert(operation.token, named: operation.isNamed), echo]
    switch operation.work {
    case .failingBatch, .failingTransaction, .abandonedTransaction: statements.append(Conversation.failing)
    case .writeOnce:
      statements[0] = PostgresStatement(
        name: "insert_once",
        """
        WITH added AS (INSERT INTO item_once VALUES ($1::bigint) ON CONFLICT DO NOTHING) SELECT $1::bigint AS token
        """, [.int(operation.token)])
    case .hotRows:
      statements = operation.keys.map { key in
        PostgresStatement(
          name: "raise",
          """
          INSERT INTO hot VALUES ($1::int, $2::int, 1) ON CONFLICT (world, key) DO UPDATE SET n = hot.n + 1
          RETURNING $3::bigint AS token
          """, [.int(number), .int(key), .int(operation.token)])
      }
    default: break
    }
    return PostgresBatch(settings: try settings(operation), statements: statements)
  }

  /// Each row must carry the caller's own token, and where a tenant is told its own one.
  private func complaint(_ results: [PostgresResult], _ operation: ChaosOperation, tenant: String?) -> String? {
    for result in results {
      guard result.count > 0 else { return "a result is empty" }
      for row in result.rows.prefix(3) {
        guard let token = try? row.decode("token", as: Int.self) else { return "a row has no token" }
        guard token == operation.token else { return "got the row of \(token)" }
        if let tenant, result.columnNames.contains("tenant"), let seen = try? row.decode("tenant", as: String.self),
          seen != tenant
        {
          return "ran as tenant \"\(seen)\", not \"\(tenant)\""
        }
      }
    }
    return nil
  }

  /// Whether the caller may see this error: it asked for it, or something was done that explains it.
  private func isAllowed(_ error: any Error, _ operation: ChaosOperation, _ schedule: ChaosSchedule) -> Bool {
    if error is Abandoned { return operation.work == .abandonedTransaction }
    guard let first = PostgresError.first(in: error) else {
      // The body's own error with a ROLLBACK that failed.
      return error is PostgresTransactionError && schedule.losesConnections
    }
    switch first.code {
    case .timedOut: return operation.deadline != nil
    case .cancelled: return operation.cancel != nil
    case .connectionLost: return schedule.losesConnections
    // The reason why there is no connection may be older than the schedule.
    case .connectionFailed: return schedule.losesConnections || operation.deadline != nil
    case .server:
      switch first.sqlState {
      case SQLState.checkViolation:
        return [.failingStatement, .failingBatch, .failingTransaction, .abandonedTransaction].contains(operation.work)
      case SQLState.queryCanceled: return schedule.cancelsStatements
      case SQLState.deadlockDetected: return operation.work == .hotRows
      default: return false
      }
    default: return false
    }
  }
}
