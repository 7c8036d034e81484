import NIOConcurrencyHelpers

/// A transaction that stands open for the length of a closure.
public final class PostgresTransaction: PostgresExecutor {
  let session: Session
  let defaultTimeout: Duration
  let deadline: ContinuousClock.Instant?
  private let isOpen = NIOLockedValueBox(true)

  init(session: Session, defaultTimeout: Duration, deadline: ContinuousClock.Instant?) {
    self.session = session
    self.defaultTimeout = defaultTimeout
    self.deadline = deadline
  }

  /// Runs one statement inside the transaction.
  /// - Parameters:
  ///   - statement: the statement and its parameters; prepared on this connection when it has a name.
  ///   - deadline: when to cancel it; `nil` takes the transaction's, or the pool's default.
  /// - Returns: the rows and the count of rows affected.
  /// - Throws: ``PostgresError`` as ``PostgresConnection/execute(_:deadline:)``. After a failed statement the server
  ///   refuses all others with 25P02 until the closure ends, and a COMMIT would be answered ROLLBACK.
  public func execute(
    _ statement: PostgresStatement, deadline: ContinuousClock.Instant?
  ) async throws -> PostgresResult {
    try checkOpen()
    do {
      return try await session.execute(statement, until: deadline ?? self.deadline ?? .now + defaultTimeout)
    } catch {
      var error = error
      // COMMIT comes from the closure's end only, so whatever became of this statement, nothing of it can stand.
      error.mayHaveTakenEffect = false
      throw error
    }
  }

  func checkOpen() throws(PostgresError) {
    guard isOpen.withLockedValue({ $0 }) else {
      throw PostgresError(
        .closed, "the transaction is used after its closure ended; keep all work inside withTransaction")
    }
  }

  func end() {
    isOpen.withLockedValue { $0 = false }
  }
}
