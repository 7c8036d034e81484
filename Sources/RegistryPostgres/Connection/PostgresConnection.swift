import NIOConcurrencyHelpers

/// A connection leased from a pool for the length of a closure.
///
/// It runs one statement at a time; a second one while the first runs fails with code `busy`, and any use after the
/// closure ended fails with code `closed`. What a closure leaves behind in the session (SET without LOCAL, advisory
/// locks, temporary tables) would meet the connection's next user: prefer transactions, or ``retire()`` the connection.
public final class PostgresConnection: PostgresExecutor, PostgresBatchExecutor {
  let session: Session
  let defaultTimeout: Duration
  private let isLeased = NIOLockedValueBox(true)

  init(session: Session, defaultTimeout: Duration) {
    self.session = session
    self.defaultTimeout = defaultTimeout
  }

  /// The process id of the server's backend, as in `pg_stat_activity.pid`.
  public var backendPID: Int32 { session.backendPID }

  /// Runs one statement.
  /// - Parameters:
  ///   - statement: the statement and its parameters; prepared on this connection when it has a name.
  ///   - deadline: when to cancel it; `nil` takes the pool's default.
  /// - Returns: the rows and the count of rows affected.
  /// - Throws: ``PostgresError``: `server` with its SQLSTATE, `timedOut`, `cancelled`, `connectionLost`,
  ///   `invalidParameter`, `busy`, `closed`.
  public func execute(
    _ statement: PostgresStatement, deadline: ContinuousClock.Instant?
  ) async throws -> PostgresResult {
    try checkLease()
    return try await session.execute(statement, until: deadline ?? .now + defaultTimeout)
  }

  /// Runs a batch as one transaction in one round trip.
  /// - Parameters:
  ///   - batch: the settings and statements.
  ///   - deadline: when to cancel it; `nil` takes the pool's default.
  /// - Returns: one result per statement of the batch.
  /// - Throws: ``PostgresError`` as ``execute(_:deadline:)``, with the index of the statement that failed, and
  ///   `rolledBack` when COMMIT was answered ROLLBACK.
  public func execute(_ batch: PostgresBatch, deadline: ContinuousClock.Instant?) async throws -> [PostgresResult] {
    try checkLease()
    return try await session.execute(batch, until: deadline ?? .now + defaultTimeout)
  }

  /// Runs text that takes no parameters as it is, in the simple protocol, for migrations and administration.
  ///
  /// Several statements in one text form one transaction unless they say otherwise.
  /// - Parameters:
  ///   - text: the SQL.
  ///   - deadline: when to cancel it; `nil` takes the pool's default.
  /// - Returns: one result per statement of the text.
  /// - Throws: ``PostgresError`` as ``execute(_:deadline:)``.
  @discardableResult
  public func executeScript(
    _ text: String, deadline: ContinuousClock.Instant? = nil
  ) async throws -> [PostgresResult] {
    try checkLease()
    return try await session.executeScript(text, until: deadline ?? .now + defaultTimeout)
  }

  /// Runs a closure inside a transaction on this connection: COMMIT when it returns, ROLLBACK when it throws.
  /// - Parameters:
  ///   - settings: what `SET LOCAL` sets first, in the same round trip as BEGIN.
  ///   - level: the isolation level and access mode; by default the server's own.
  ///   - deadline: for BEGIN, and for each statement of the body that names none of its own; `nil` takes the pool's
  ///     default for each.
  ///   - isolation: the actor on which the closure runs; the caller's.
  ///   - body: the work. The transaction is valid only inside it.
  /// - Returns: what the body returned, once the COMMIT was answered.
  /// - Throws: the body's own error, unchanged, after the ROLLBACK; ``PostgresTransactionError`` when BEGIN, COMMIT or
  ///   ROLLBACK failed, which keeps the failures apart.
  @discardableResult
  public func withTransaction<Value>(
    settings: [PostgresBatch.Setting] = [], level: PostgresIsolation = .serverDefault,
    deadline: ContinuousClock.Instant? = nil, isolation: isolated (any Actor)? = #isolation,
    _ body: (PostgresTransaction) async throws -> sending Value
  ) async throws -> sending Value {
    try checkLease()
    do {
      try await session.begin(level, settings: settings, until: deadline ?? .now + defaultTimeout)
    } catch {
      throw PostgresTransactionError(phase: .begin, underlying: error)
    }
    let transaction = PostgresTransaction(
      session: session, defaultTimeout: defaultTimeout, deadline: deadline)
    let value: Value
    do {
      value = try await body(transaction)
    } catch {
      transaction.end()
      if let failure = await session.abandonTransaction() {
        throw PostgresTransactionError(phase: .rollback, bodyError: error, underlying: failure)
      }
      throw error
    }
    transaction.end()
    do {
      try await session.commit(until: deadline ?? .now + defaultTimeout)
    } catch {
      throw PostgresTransactionError(phase: .commit, underlying: error)
    }
    return value
  }

  /// Has the pool close this connection after the closure, for work that leaves traces in the session.
  public func retire() async {
    await session.retire()
  }

  /// Ends the lease: from here on every use is refused.
  func endLease() {
    isLeased.withLockedValue { $0 = false }
  }

  func checkLease() throws(PostgresError) {
    guard isLeased.withLockedValue({ $0 }) else {
      throw PostgresError(
        .closed, "the connection is used after its closure ended; keep all work inside withConnection")
    }
  }
}
