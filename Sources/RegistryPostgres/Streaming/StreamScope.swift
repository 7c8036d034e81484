/// Runs streams on a session for the length of a closure: what connections, transactions and pools have in common.
struct StreamScope {
  let session: Session
  /// When everything must be over; `nil` gives each wait for the server the time of ``defaultTimeout``.
  let deadline: ContinuousClock.Instant?
  let defaultTimeout: Duration
  /// Whether the session's transaction ends elsewhere, so that nothing can stand yet whatever fails here.
  var isInTransaction = false

  func withRows<Value>(
    _ statement: PostgresStatement, isolation: isolated (any Actor)?,
    _ body: (PostgresRowSequence) async throws -> sending Value
  ) async throws -> sending Value {
    let (number, columns): (OpenStream.Number, PostgresResult?)
    do throws(PostgresError) {
      (number, columns) = try await session.openRows(statement, until: nextDeadline)
    } catch {
      throw placed(error)
    }
    let source = StreamSource(self, number) { session, number, deadline throws(PostgresError) in
      try await session.nextRows(number, until: deadline)
    }
    let rows = PostgresRowSequence(source: source, columnNames: columns?.columnNames ?? [])
    return try await ending(source, number) { try await body(rows) }
  }

  func copyOut<Value>(
    _ statement: String, isolation: isolated (any Actor)?,
    _ body: (PostgresCopyChunks) async throws -> sending Value
  ) async throws -> sending Value {
    let number: OpenStream.Number
    let isBinary: Bool
    do throws(PostgresError) {
      (number, _, isBinary) = try await session.openCopyOut(statement, until: nextDeadline)
    } catch {
      throw placed(error)
    }
    let source = StreamSource(self, number) { session, number, deadline throws(PostgresError) in
      try await session.nextCopyChunks(number, until: deadline)
    }
    let chunks = PostgresCopyChunks(source: source, isBinary: isBinary)
    return try await ending(source, number) { try await body(chunks) }
  }

  func copyIn(
    _ statement: String, isolation: isolated (any Actor)?, _ body: (PostgresCopyWriter) async throws -> Void
  ) async throws -> Int {
    let writer: PostgresCopyWriter
    let number: OpenStream.Number
    do throws(PostgresError) {
      let columnCount: Int
      let isBinary: Bool
      (number, columnCount, isBinary) = try await session.openCopyIn(statement, until: nextDeadline)
      writer = PostgresCopyWriter(scope: self, number: number, columnCount: columnCount, isBinary: isBinary)
    } catch {
      throw placed(error)
    }
    do {
      try await body(writer)
      let rest = try writer.close()
      do throws(PostgresError) {
        return try await session.finishCopyIn(number, rest, until: nextDeadline)
      } catch {
        throw placed(error)
      }
    } catch {
      _ = try? writer.close()
      // A task of its own, because the end must reach the server although this one may be cancelled.
      await Task { [session] in await session.abandonCopyIn(number) }.value
      throw error
    }
  }

  /// Runs the body, and ends the stream whatever became of it.
  private func ending<Element, Value>(
    _ source: StreamSource<Element>, _ number: OpenStream.Number, isolation: isolated (any Actor)? = #isolation,
    _ body: () async throws -> sending Value
  ) async throws -> sending Value {
    do {
      let value = try await body()
      source.close()
      await session.endStream(number)
      return value
    } catch {
      source.close()
      await session.endStream(number)
      throw error
    }
  }

  var nextDeadline: ContinuousClock.Instant { deadline ?? .now + defaultTimeout }

  /// The error as the caller of this place is to see it.
  func placed(_ error: PostgresError) -> PostgresError {
    guard isInTransaction else { return error }
    var error = error
    error.mayHaveTakenEffect = false
    return error
  }
}
