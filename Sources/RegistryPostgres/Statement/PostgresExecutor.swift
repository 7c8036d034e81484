/// Whatever runs one statement: a pool, a connection, a transaction.
public protocol PostgresExecutor: Sendable {
  /// Runs one statement and returns its rows.
  /// - Parameters:
  ///   - statement: the statement and its parameters.
  ///   - deadline: when to give up, waiting included; `nil` takes the executor's default.
  /// - Returns: the rows and the count of rows affected.
  /// - Throws: ``PostgresError``; its code says which failure, see ``PostgresError/Code``.
  nonisolated(nonsending) func execute(_ statement: PostgresStatement, deadline: ContinuousClock.Instant?) async throws
    -> PostgresResult
}

extension PostgresExecutor {
  /// Runs one statement under the executor's default deadline.
  /// - Parameter statement: the statement and its parameters.
  /// - Returns: the rows and the count of rows affected.
  /// - Throws: ``PostgresError``, as ``execute(_:deadline:)``.
  @discardableResult
  nonisolated(nonsending) public func execute(_ statement: PostgresStatement) async throws -> PostgresResult {
    try await execute(statement, deadline: nil)
  }

  /// Runs SQL that is not prepared, under the executor's default deadline.
  /// - Parameters:
  ///   - text: the SQL, one statement.
  ///   - parameters: the values of `$1`, `$2` …
  /// - Returns: the rows and the count of rows affected.
  /// - Throws: ``PostgresError``, as ``execute(_:deadline:)``.
  @discardableResult
  nonisolated(nonsending) public func execute(_ text: String, _ parameters: [PostgresParameter] = []) async throws
    -> PostgresResult
  {
    try await execute(PostgresStatement(text, parameters), deadline: nil)
  }
}

/// Whatever runs a batch as one transaction: a pool or a connection, and any scheduler that joins the batches of many
/// callers.
public protocol PostgresBatchExecutor: Sendable {
  /// Runs the batch as one transaction in one round trip.
  /// - Parameters:
  ///   - batch: the settings and statements.
  ///   - deadline: when to give up, waiting included; `nil` takes the executor's default.
  /// - Returns: one result per element of ``PostgresBatch/statements``, handed out only after the COMMIT was answered.
  /// - Throws: ``PostgresError`` with ``PostgresError/statementIndex`` where a statement failed; everything is then
  ///   rolled back unless ``PostgresError/mayHaveTakenEffect`` says otherwise.
  nonisolated(nonsending) func execute(_ batch: PostgresBatch, deadline: ContinuousClock.Instant?) async throws
    -> [PostgresResult]
}

extension PostgresBatchExecutor {
  /// Runs the batch under the executor's default deadline.
  /// - Parameter batch: the settings and statements.
  /// - Returns: one result per statement.
  /// - Throws: ``PostgresError``, as ``execute(_:deadline:)``.
  @discardableResult
  nonisolated(nonsending) public func execute(_ batch: PostgresBatch) async throws -> [PostgresResult] {
    try await execute(batch, deadline: nil)
  }
}
