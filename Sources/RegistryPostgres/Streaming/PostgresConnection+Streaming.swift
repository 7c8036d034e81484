extension PostgresConnection {
  /// Runs one statement and hands its rows to a closure as they come, in constant memory.
  ///
  /// The connection is taken up by the stream until the closure ends: a statement of its own inside the closure fails
  /// with code `busy`. A closure that ends before the last row, by returning or by throwing, has the statement cancelled
  /// and its other rows thrown away; where a transaction stands open it goes on as if the statement had not been run.
  /// Take all rows of a statement that writes, or run it inside a transaction.
  ///
  /// ```swift
  /// try await connection.withRows(PostgresStatement("SELECT id FROM item")) { rows in
  ///   for try await row in rows { … }
  /// }
  /// ```
  /// - Parameters:
  ///   - statement: the statement and its parameters; prepared on this connection when it has a name.
  ///   - deadline: when everything must be over, the closure's own time included; `nil` gives each wait for the server
  ///     the pool's default time, and the closure as long as it likes.
  ///   - isolation: the actor on which the closure runs; the caller's.
  ///   - body: what is done with the rows. It runs once the first row has come, or the end.
  /// - Returns: what the closure returned.
  /// - Throws: what the closure threw; ``PostgresError`` as ``execute(_:deadline:)`` when the statement failed before its
  ///   first row.
  @discardableResult
  public func withRows<Value>(
    _ statement: PostgresStatement, deadline: ContinuousClock.Instant? = nil,
    isolation: isolated (any Actor)? = #isolation, _ body: (PostgresRowSequence) async throws -> sending Value
  ) async throws -> sending Value {
    try checkLease()
    return try await streams(until: deadline).withRows(statement, isolation: isolation, body)
  }

  /// Runs a COPY … TO STDOUT and hands its data to a closure as it comes, in constant memory.
  ///
  /// As with ``withRows(_:deadline:isolation:_:)`` the connection is taken up until the closure ends, and a closure that
  /// ends early has the COPY cancelled.
  /// - Parameters:
  ///   - statement: the COPY, in whichever format, for example `COPY item TO STDOUT WITH (FORMAT csv)`.
  ///   - deadline: as for ``withRows(_:deadline:isolation:_:)``.
  ///   - isolation: the actor on which the closure runs; the caller's.
  ///   - body: what is done with the data.
  /// - Returns: what the closure returned.
  /// - Throws: what the closure threw; ``PostgresError`` as ``execute(_:deadline:)``, and `unsupported` for a statement
  ///   that is no COPY … TO STDOUT.
  @discardableResult
  public func copyOut<Value>(
    _ statement: String, deadline: ContinuousClock.Instant? = nil, isolation: isolated (any Actor)? = #isolation,
    _ body: (PostgresCopyChunks) async throws -> sending Value
  ) async throws -> sending Value {
    try checkLease()
    return try await streams(until: deadline).copyOut(statement, isolation: isolation, body)
  }

  /// Runs a COPY … FROM STDIN with the data that a closure writes, in constant memory.
  ///
  /// The rows stand once the call returns. When the closure throws, the COPY is failed at the server, nothing of it
  /// stands, and the connection can be used again; inside a transaction that has failed the transaction.
  ///
  /// ```swift
  /// let count = try await connection.copyIn("COPY item (id, name) FROM STDIN") { writer in
  ///   for item in items { try await writer.writeRow([.int(item.id), .text(item.name)]) }
  /// }
  /// ```
  /// - Parameters:
  ///   - statement: the COPY, in whichever format.
  ///   - deadline: as for ``withRows(_:deadline:isolation:_:)``.
  ///   - isolation: the actor on which the closure runs; the caller's.
  ///   - body: writes the data.
  /// - Returns: how many rows the server counted.
  /// - Throws: what the closure threw; ``PostgresError`` as ``execute(_:deadline:)``, also for rows that the server
  ///   refused, and `unsupported` for a statement that is no COPY … FROM STDIN.
  @discardableResult
  public func copyIn(
    _ statement: String, deadline: ContinuousClock.Instant? = nil, isolation: isolated (any Actor)? = #isolation,
    _ body: (PostgresCopyWriter) async throws -> Void
  ) async throws -> Int {
    try checkLease()
    return try await streams(until: deadline).copyIn(statement, isolation: isolation, body)
  }

  private func streams(until deadline: ContinuousClock.Instant?) -> StreamScope {
    StreamScope(session: session, deadline: deadline, defaultTimeout: defaultTimeout)
  }
}
