extension PostgresPool {
  /// Runs one statement on whichever connection is free and hands its rows to a closure as they come, in constant
  /// memory.
  /// - Parameters:
  ///   - statement: the statement and its parameters; prepared once per connection when it has a name.
  ///   - deadline: when everything must be over, the wait for a connection and the closure's own time included; `nil`
  ///     gives each wait, for a connection and for the server, the configuration's default time.
  ///   - isolation: the actor on which the closure runs; the caller's.
  ///   - body: what is done with the rows.
  /// - Returns: what the closure returned.
  /// - Throws: as ``PostgresConnection/withRows(_:deadline:isolation:_:)``, and ``PostgresError`` when no connection
  ///   could be had.
  @discardableResult
  public func withRows<Value>(
    _ statement: PostgresStatement, deadline: ContinuousClock.Instant? = nil,
    isolation: isolated (any Actor)? = #isolation, _ body: (PostgresRowSequence) async throws -> sending Value
  ) async throws -> sending Value {
    try await withConnection(deadline: deadline, isolation: isolation) { connection in
      try await connection.withRows(statement, deadline: deadline, isolation: isolation, body)
    }
  }

  /// Runs a COPY … TO STDOUT on whichever connection is free and hands its data to a closure as it comes, in constant
  /// memory.
  /// - Parameters:
  ///   - statement: the COPY, in whichever format.
  ///   - deadline: as for ``withRows(_:deadline:isolation:_:)``.
  ///   - isolation: the actor on which the closure runs; the caller's.
  ///   - body: what is done with the data.
  /// - Returns: what the closure returned.
  /// - Throws: as ``PostgresConnection/copyOut(_:deadline:isolation:_:)``, and ``PostgresError`` when no connection could
  ///   be had.
  @discardableResult
  public func copyOut<Value>(
    _ statement: String, deadline: ContinuousClock.Instant? = nil, isolation: isolated (any Actor)? = #isolation,
    _ body: (PostgresCopyChunks) async throws -> sending Value
  ) async throws -> sending Value {
    try await withConnection(deadline: deadline, isolation: isolation) { connection in
      try await connection.copyOut(statement, deadline: deadline, isolation: isolation, body)
    }
  }

  /// Runs a COPY … FROM STDIN on whichever connection is free with the data that a closure writes, in constant memory.
  /// - Parameters:
  ///   - statement: the COPY, in whichever format.
  ///   - deadline: as for ``withRows(_:deadline:isolation:_:)``.
  ///   - isolation: the actor on which the closure runs; the caller's.
  ///   - body: writes the data.
  /// - Returns: how many rows the server counted.
  /// - Throws: as ``PostgresConnection/copyIn(_:deadline:isolation:_:)``, and ``PostgresError`` when no connection could
  ///   be had.
  @discardableResult
  public func copyIn(
    _ statement: String, deadline: ContinuousClock.Instant? = nil, isolation: isolated (any Actor)? = #isolation,
    _ body: (PostgresCopyWriter) async throws -> Void
  ) async throws -> Int {
    try await withConnection(deadline: deadline, isolation: isolation) { connection in
      try await connection.copyIn(statement, deadline: deadline, isolation: isolation, body)
    }
  }
}
