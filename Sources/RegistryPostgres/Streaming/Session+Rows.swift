import CLibpq

extension Session {
  /// The most rows handed out together; libpq holds no more than what one read of the socket brought.
  private static let rowBatchCount = 256

  /// Sends a statement whose rows are to be had one by one, and waits for the first of them, or for the end.
  /// - Returns: the stream's number, and the names of the columns.
  func openRows(
    _ statement: PostgresStatement, until deadline: ContinuousClock.Instant
  ) async throws(PostgresError) -> (number: OpenStream.Number, columns: PostgresResult?) {
    _ = try statement.checkedByteCount()
    return try await perform(until: deadline) {
      () async throws(PostgresError) -> (number: OpenStream.Number, columns: PostgresResult?) in
      let hasSavepoint = try await setSavepoint()
      do throws(PostgresError) {
        return try await start(statement, hasSavepoint)
      } catch {
        // An outdated plan is refused before its first row, so outside a transaction it can be prepared anew and run.
        guard error.needsPreparingAgain, PQtransactionStatus(handle.pointer) == PQTRANS_IDLE, givenUp == nil else {
          throw error
        }
        return try await start(statement, hasSavepoint)
      }
    }
  }

  /// Takes the rows that have come, waiting for some only when there are none.
  /// - Returns: one result per row; none at the end.
  func nextRows(
    _ number: OpenStream.Number, until deadline: ContinuousClock.Instant
  ) async throws(PostgresError) -> [PostgresResult] {
    if stream?.number == number, stream?.isAtEnd == true, stream?.failure == nil { return [] }
    return try await performStep(of: number, until: deadline) { () async throws(PostgresError) -> [PostgresResult] in
      let rows = try await readRows()
      if rows.isEmpty, let failure = stream?.failure { throw failure }
      return rows
    }
  }

  private func start(
    _ statement: PostgresStatement, _ hasSavepoint: Bool
  ) async throws(PostgresError) -> (number: OpenStream.Number, columns: PostgresResult?) {
    do throws(PostgresError) {
      let use = try await prepare(statement)
      try goOn()
      guard buffer.send(statement, use, on: handle.pointer) else { throw sendFailure() }
      guard PQsetSingleRowMode(handle.pointer) == 1 else {
        handle.finish()
        throw PostgresError(.protocolViolation, "libpq refused to hand out rows one by one")
      }
      try await flush()
      let first = try await nextResult()
      let number = beginStream(hasSavepoint: hasSavepoint, statementName: statement.name)
      try await take(first)
      // A cancel request that is under way must meet this statement, not a later step.
      while interruption != nil, stream?.isAtEnd == false { try await take(try await nextResult()) }
      if let failure = stream?.failure {
        stream = nil
        throw failure
      }
      return (number, first)
    } catch {
      stream = nil
      var error = error
      error.statementName = statement.name
      noteRefusal(error)
      throw error
    }
  }

  private func readRows() async throws(PostgresError) -> [PostgresResult] {
    var rows: [PostgresResult] = []
    if let first = stream?.firstRow {
      stream?.firstRow = nil
      rows.append(first)
    }
    while rows.count < Self.rowBatchCount, stream?.isAtEnd == false {
      if !rows.isEmpty, interruption == nil, PQisBusy(handle.pointer) == 1 { break }
      try await take(try await nextResult())
      guard let row = stream?.firstRow else { continue }
      stream?.firstRow = nil
      // What comes after a cancel request is read only to be rid of it.
      if interruption == nil { rows.append(row) }
    }
    return rows
  }

  /// Sorts one result into the stream: a row, the end, or what failed.
  private func take(_ result: PostgresResult?) async throws(PostgresError) {
    guard let result else {
      endOfRows()
      return
    }
    switch PQresultStatus(result.pointer) {
    case PGRES_SINGLE_TUPLE:
      stream?.firstRow = result
    case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
      try await take(try await nextResult())
    case PGRES_COPY_IN:
      try await refuseCopyIn()
      noteCopy()
    case PGRES_COPY_OUT:
      try await refuseCopyOut()
      noteCopy()
    default:
      if stream?.firstError == nil { stream?.firstError = result }
      try await take(try await nextResult())
    }
  }

  /// All results were read: only now is it known whether the server hung up after an error.
  private func endOfRows() {
    let firstError = stream?.firstError
    var error: PostgresError?
    if let firstError {
      error = failure(firstError, mayHaveCommitted: true)
    } else if handle.isBroken {
      error = Self.lost("the connection was lost while rows were streamed")
      error?.mayHaveTakenEffect = true
    } else if interruption != nil {
      error = interrupted("and the server had sent everything by then")
    }
    let statementName = stream?.statementName
    error?.statementName = statementName
    settle(wasCancelledByServer: firstError.map(sqlState(of:)) == .queryCanceled)
    stream?.failure = error
    stream?.isAtEnd = true
  }

  private func noteCopy() {
    stream?.failure = PostgresError(.unsupported, "COPY gives no rows: stream it with copyIn or copyOut")
    stream?.isAtEnd = true
  }
}
