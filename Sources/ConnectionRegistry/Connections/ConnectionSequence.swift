import RegistryPostgres

/// A tenant's connections as they come from the database, one after the other, in constant memory.
///
/// Rows are read only when they are asked for: who takes their time makes the server wait. Each connection is handed out
/// once, to one task. Valid only inside the closure that it was given to.
public struct ConnectionSequence: AsyncSequence, Sendable {
  let rows: PostgresRowSequence

  /// Takes the connections, one after the other.
  ///
  /// - Returns: an iterator, to be used by one task.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(rows: rows.makeAsyncIterator()) }

  /// One reader's way through the connections.
  public struct AsyncIterator: AsyncIteratorProtocol {
    private var rows: PostgresRowSequence.AsyncIterator

    init(rows: PostgresRowSequence.AsyncIterator) { self.rows = rows }

    /// Waits for the next connection.
    ///
    /// - Returns: the connection; nil behind the last. What was handed out before an error is not all.
    /// - Throws: ``RegistryError`` of code `database_unavailable`, and PostgreSQL's own error for anything else.
    public mutating func next() async throws -> Connection? {
      do {
        return try await rows.next().map(Connection.init(row:))
      } catch {
        throw RegistryDatabase.named(error)
      }
    }
  }
}
