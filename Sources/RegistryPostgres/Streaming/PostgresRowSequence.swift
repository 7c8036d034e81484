/// The rows of a statement as they come from the server, one after the other, in constant memory.
///
/// Rows are read from the connection only when they are asked for: a consumer that takes its time makes the server wait.
/// Each row is handed out once; a second loop goes on where the first one left off. Valid only inside the closure it was
/// given to.
public struct PostgresRowSequence: AsyncSequence, Sendable {
  let source: StreamSource<PostgresResult>
  /// The names of the columns, in order; empty for a statement that returns no rows.
  public let columnNames: [String]

  /// Takes the rows, one after the other.
  public func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(source: source)
  }

  /// Takes rows out of their sequence.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let source: StreamSource<PostgresResult>

    /// Waits for the next row.
    /// - Returns: the row; `nil` after the last one.
    /// - Throws: ``PostgresError``: what the server found wrong in the middle of the result, after the rows that came
    ///   before; `timedOut`, `cancelled`, `connectionLost`; `busy` for two tasks that ask at the same time; `closed`
    ///   after the closure ended.
    public mutating func next() async throws -> PostgresRow? {
      try await source.next().map { PostgresRow(result: $0, index: 0) }
    }
  }
}
