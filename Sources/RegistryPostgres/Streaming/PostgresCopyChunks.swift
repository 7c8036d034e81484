/// What COPY … TO STDOUT sends, as it comes from the server, in constant memory.
///
/// Each element is one message of the server, and today's servers send one for each row: in the text and CSV formats a
/// line with its newline (a CSV value may hold newlines of its own); in the binary format a tuple, the header coming
/// with the first one (PostgreSQL documentation, 55.2.6). Data is read from the connection only when it is asked for: a
/// consumer that takes its time makes the server wait. Valid only inside the closure it was given to.
public struct PostgresCopyChunks: AsyncSequence, Sendable {
  let source: StreamSource<[UInt8]>
  /// Whether the data is in COPY's binary format.
  public let isBinary: Bool

  /// Takes the data, one message after the other.
  public func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(source: source)
  }

  /// Takes messages out of their sequence.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let source: StreamSource<[UInt8]>

    /// Waits for the next message.
    /// - Returns: its bytes; `nil` after the last one.
    /// - Throws: ``PostgresError``, as ``PostgresRowSequence/AsyncIterator/next()``.
    public mutating func next() async throws -> [UInt8]? {
      try await source.next()
    }
  }
}
