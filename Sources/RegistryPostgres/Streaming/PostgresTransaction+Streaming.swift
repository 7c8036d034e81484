extension PostgresTransaction {
  /// Runs one statement inside the transaction and hands its rows to a closure as they come, in constant memory.
  ///
  /// A closure that ends before the last row has the statement cancelled and undone, and the transaction goes on: the
  /// statement runs under a savepoint.
  /// - Parameters:
  ///   - statement: the statement and its parameters; prepared on this connection when it has a name.
  ///   - deadline: when everything must be over, the closure's own time included; `nil` takes the transaction's; where
  ///     it has none, each wait for the server has the pool's default time.
  ///   - isolation: the actor on which the closure runs; the caller's.
  ///   - body: what is done with the rows.
  /// - Returns: what the closure returned.
  /// - Throws: as ``PostgresConnection/withRows(_:deadline:isolation:_:)``.
  @discardableResult
  public func withRows<Value>(
    _ statement: PostgresStatement, deadline: ContinuousClock.Instant? = nil,
    isolation: isolated (any Actor)? = #isolation, _ body: (PostgresRowSequence) async throws -> sending Value
  ) async throws -> sending Value {
    try checkOpen()
    return try await streams(until: deadline).withRows(statement, isolation: isolation, body)
  }

  /// Runs a COPY … TO STDOUT inside the transaction and hands its data to a closure as it comes, in constant memory.
  ///
  /// A closure that ends early has the COPY cancelled, and the transaction goes on.
  /// - Parameters:
  ///   - statement: the COPY, in whichever format.
  ///   - deadline: as for ``withRows(_:deadline:isolation:_:)``.
  ///   - isolation: the actor on which the closure runs; the caller's.
  ///   - body: what is done with the data.
  /// - Returns: what the closure returned.
  /// - Throws: as ``PostgresConnection/copyOut(_:deadline:isolation:_:)``.
  @discardableResult
  public func copyOut<Value>(
    _ statement: String, deadline: ContinuousClock.Instant? = nil, isolation: isolated (any Actor)? = #isolation,
    _ body: (PostgresCopyChunks) async throws -> sending Value
  ) async throws -> sending Value {
    try checkOpen()
    return try await streams(until: deadline).copyOut(statement, isolation: isolation, body)
  }

  /// Runs a COPY … FROM STDIN inside the transaction with the data that a closure writes, in constant memory.
  ///
  /// The rows stand with the transaction's COMMIT. When the closure throws, or the server refuses a row, the transaction
  /// has failed as after any failed statement.
  /// - Parameters:
  ///   - statement: the COPY, in whichever format.
  ///   - deadline: as for ``withRows(_:deadline:isolation:_:)``.
  ///   - isolation: the actor on which the closure runs; the caller's.
  ///   - body: writes the data.
  /// - Returns: how many rows the server counted.
  /// - Throws: as ``PostgresConnection/copyIn(_:deadline:isolation:_:)``.
  @discardableResult
  public func copyIn(
    _ statement: String, deadline: ContinuousClock.Instant? = nil, isolation: isolated (any Actor)? = #isolation,
    _ body: (PostgresCopyWriter) async throws -> Void
  ) async throws -> Int {
    try checkOpen()
    return try await streams(until: deadline).copyIn(statement, isolation: isolation, body)
  }

  private func streams(until deadline: ContinuousClock.Instant?) -> StreamScope {
    StreamScope(
      session: session, deadline: deadline ?? self.deadline, defaultTimeout: defaultTimeout, isInTransaction: true)
  }
}
