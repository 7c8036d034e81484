import CLibpq

extension Session {
  /// Runs one statement, prepared where it has a name.
  func execute(
    _ statement: PostgresStatement, until deadline: ContinuousClock.Instant?
  ) async throws(PostgresError) -> PostgresResult {
    _ = try statement.checkedByteCount()
    return try await perform(until: deadline) { () async throws(PostgresError) -> PostgresResult in
      do throws(PostgresError) {
        return try await run(statement)
      } catch {
        // An outdated plan is refused before it runs, so outside a transaction it can be prepared anew and run.
        guard error.needsPreparingAgain, PQtransactionStatus(handle.pointer) == PQTRANS_IDLE, givenUp == nil else {
          throw error
        }
        return try await run(statement)
      }
    }
  }

  /// Runs the text as it is, in the simple protocol: several statements in it are one transaction unless they say
  /// otherwise.
  func executeScript(
    _ text: String, until deadline: ContinuousClock.Instant?
  ) async throws(PostgresError) -> [PostgresResult] {
    _ = try PostgresStatement(text).checkedByteCount()
    return try await perform(until: deadline) { () async throws(PostgresError) -> [PostgresResult] in
      guard PQsendQuery(handle.pointer, text) == 1 else { throw sendFailure() }
      return try await collect()
    }
  }

  /// Ends a transaction that stands open or in error, whatever became of its caller.
  func rollBack() async throws(PostgresError) {
    try await shielded { () async throws(PostgresError) in
      guard PQsendQuery(handle.pointer, "ROLLBACK") == 1 else { throw sendFailure() }
      _ = try await collect()
    }
  }

  private func run(_ statement: PostgresStatement) async throws(PostgresError) -> PostgresResult {
    do throws(PostgresError) {
      let use = try await prepare(statement)
      try goOn()
      guard buffer.send(statement, use, on: handle.pointer) else { throw sendFailure() }
      let results = try await collect()
      guard let result = results.last else {
        throw PostgresError(.protocolViolation, "the server ended the statement without a result")
      }
      return result
    } catch {
      var error = error
      error.statementName = statement.name
      noteRefusal(error)
      throw error
    }
  }

  /// Prepares the statement where it has a name and the server does not know it yet.
  func prepare(_ statement: PostgresStatement) async throws(PostgresError) -> PreparedStatements.Use {
    let plan = try prepared.plan([statement])
    if plan.forgetsAll {
      guard PQsendQuery(handle.pointer, "DEALLOCATE ALL") == 1 else { throw sendFailure() }
      _ = try await collect()
      prepared.forgotAll()
    }
    for name in plan.deallocations {
      guard PQsendQuery(handle.pointer, Self.deallocation(name)) == 1 else { throw sendFailure() }
      _ = try await collect()
      prepared.deallocated(name)
    }
    if !plan.preparations.isEmpty, let name = statement.name {
      try goOn()
      guard PQsendPrepare(handle.pointer, name, statement.text, 0, nil) == 1 else { throw sendFailure() }
      _ = try await collect()
      prepared.prepared(statement)
    }
    return plan.use(of: 0)
  }

  /// Remembers that a prepared statement cannot be run any more.
  func noteRefusal(_ error: PostgresError) {
    guard let name = error.statementName, error.needsPreparingAgain else { return }
    prepared.refused(name, isKnownToServer: error.sqlState != .invalidSQLStatementName)
  }

  static func deallocation(_ name: String) -> String {
    "DEALLOCATE \"\(name.replacing("\"", with: "\"\""))\""
  }

  /// Reads all results of what was sent, to the end of the conversation, and keeps the first error.
  func collect() async throws(PostgresError) -> [PostgresResult] {
    try await flush()
    var results: [PostgresResult] = []
    var firstError: PostgresResult?
    while let result = try await nextResult() {
      switch PQresultStatus(result.pointer) {
      case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
        results.append(result)
      case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
        handle.finish()
        throw PostgresError(
          .unsupported, "COPY cannot be run as a statement: stream it with copyIn or copyOut")
      default:
        if firstError == nil { firstError = result }
      }
    }
    if let firstError {
      let error = failure(firstError, mayHaveCommitted: true)
      settle(wasCancelledByServer: error.sqlState == .queryCanceled)
      throw error
    }
    if handle.isBroken {
      var error = Self.lost("the connection was lost while the statement ran")
      error.mayHaveTakenEffect = true
      throw error
    }
    settle(wasCancelledByServer: false)
    return results
  }
}
