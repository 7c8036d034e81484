import CLibpq

extension Session {
  private typealias Step = PipelinedTransaction.Step

  /// Runs the batch as one transaction, in one pipeline with one sync.
  func execute(
    _ batch: PostgresBatch, until deadline: ContinuousClock.Instant?
  ) async throws(PostgresError) -> [PostgresResult] {
    let transaction = try PipelinedTransaction(batch)
    return try await perform(until: deadline) { () async throws(PostgresError) -> [PostgresResult] in
      try await run(transaction)
    }
  }

  /// Runs a transaction that nobody's deadline or cancellation ends, only ``abandon(_:)``.
  /// - Parameters:
  ///   - transaction: the work of one or more callers.
  ///   - ticket: the number under which it can be abandoned.
  /// - Returns: one result per statement, or what failed; and whether the connection is fit for the next one.
  func execute(
    _ transaction: PipelinedTransaction, ticket: UInt64
  ) async -> (result: Result<[PostgresResult], PostgresError>, isReusable: Bool) {
    let result: Result<[PostgresResult], PostgresError>
    do throws(PostgresError) {
      let results = try await perform(until: nil, ticket: ticket) {
        () async throws(PostgresError) -> [PostgresResult] in
        try await run(transaction)
      }
      result = .success(results)
    } catch {
      result = .failure(error)
    }
    return (result, isReusable)
  }

  /// Begins a transaction and sets its settings in one round trip, for a body that follows.
  func begin(
    _ isolation: PostgresIsolation, settings: [PostgresBatch.Setting], until deadline: ContinuousClock.Instant?
  ) async throws(PostgresError) {
    let transaction = try PipelinedTransaction(PostgresBatch(settings: settings, statements: [], isolation: isolation))
    _ = try await perform(until: deadline) { () async throws(PostgresError) -> [PostgresResult] in
      try await run(transaction, transaction.openingSteps)
    }
  }

  /// Runs the transaction, and once more where it met a prepared statement that the server outdated or lost.
  private func run(_ transaction: PipelinedTransaction) async throws(PostgresError) -> [PostgresResult] {
    do throws(PostgresError) {
      return try await run(transaction, transaction.steps(try prepared.plan(transaction.statements)))
    } catch {
      guard error.needsPreparingAgain, PQtransactionStatus(handle.pointer) == PQTRANS_IDLE, givenUp == nil else {
        throw error
      }
      return try await run(transaction, transaction.steps(try prepared.plan(transaction.statements)))
    }
  }

  private func run(
    _ transaction: PipelinedTransaction, _ steps: [Step]
  ) async throws(PostgresError) -> [PostgresResult] {
    guard PQtransactionStatus(handle.pointer) == PQTRANS_IDLE || handle.isBroken else {
      throw PostgresError(
        .unsupported, "a transaction stands open on this connection; run the batch outside it")
    }
    guard PQenterPipelineMode(handle.pointer) == 1 else { throw sendFailure() }
    let isSent = steps.allSatisfy { send($0, transaction) } && PQpipelineSync(handle.pointer) == 1
    guard isSent else {
      // Half a pipeline cannot be taken back; without its COMMIT and sync it has no effect.
      let error = sendFailure()
      handle.finish()
      throw error
    }
    try await flush()
    let (results, firstError) = try await read(steps, transaction)
    if let (result, step) = firstError {
      let isCommit = if case .commit = step { true } else { false }
      // Results come in order: an error that the server reported for an earlier step proves that COMMIT did not run.
      let mayHaveCommitted = isCommit || PQresultErrorField(result.pointer, CInt(UInt8(ascii: "C"))) == nil
      var error = failure(result, mayHaveCommitted: mayHaveCommitted)
      error.statementIndex = step.statementIndex
      error.statementName = step.statementIndex.flatMap { transaction.statements[$0].name }
      settle(wasCancelledByServer: error.sqlState == .queryCanceled)
      noteRefusal(error)
      try? await leavePipeline()
      throw error
    }
    settle(wasCancelledByServer: false)
    try await leavePipeline()
    return results
  }

  private func send(_ step: Step, _ transaction: PipelinedTransaction) -> Bool {
    let connection = handle.pointer
    func command(_ text: String) -> Bool {
      PQsendQueryParams(connection, text, 0, nil, nil, nil, nil, 0) == 1
    }
    switch step {
    case .begin: return command(transaction.beginText ?? "BEGIN")
    case .setting(let text): return command(text)
    case .deallocateAll: return command("DEALLOCATE ALL")
    case .deallocate(let name): return command(deallocation(name))
    case .prepare(let index):
      let statement = transaction.statements[index]
      return PQsendPrepare(connection, statement.name, statement.text, 0, nil) == 1
    case .statement(let index, let use):
      return send(transaction.statements[index], transaction.parameters[index], use)
    case .commit: return command("COMMIT")
    }
  }

  /// Reads the results of all steps and the sync that ends them.
  private func read(
    _ steps: [Step], _ transaction: PipelinedTransaction
  ) async throws(PostgresError) -> (results: [PostgresResult], firstError: (PostgresResult, Step)?) {
    var results: [PostgresResult] = []
    results.reserveCapacity(transaction.statements.count)
    var firstError: (PostgresResult, Step)?
    for step in steps {
      var answer: PostgresResult?
      while let result = try await nextResult() {
        switch PQresultStatus(result.pointer) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY, PGRES_PIPELINE_ABORTED:
          answer = result
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
          handle.finish()
          throw PostgresError(
            .unsupported,
            "COPY cannot be part of a batch: stream it with copyIn or copyOut, or insert from arrays with unnest")
        default:
          answer = result
          if firstError == nil { firstError = (result, step) }
        }
      }
      guard let answer else {
        if let firstError { return (results, firstError) }
        throw unanswered()
      }
      if firstError == nil { try note(answer, step, transaction, &results) }
      if firstError != nil, handle.isBroken { return (results, firstError) }
    }
    while true {
      guard let sync = try await nextResult() else {
        if firstError != nil { return (results, firstError) }
        throw unanswered()
      }
      if PQresultStatus(sync.pointer) == PGRES_PIPELINE_SYNC { return (results, firstError) }
      // After the first error only the end of the session can stand in the sync's place.
      if firstError != nil { return (results, firstError) }
      // The sync ends an implicit transaction, so what only its end can find, such as a deferred constraint, fails here;
      // after a COMMIT only the end of the session does.
      firstError = (sync, .commit)
      if handle.isBroken { return (results, firstError) }
      if let marker = try await nextResult(), PQresultStatus(marker.pointer) == PGRES_PIPELINE_SYNC {
        return (results, firstError)
      }
      guard transaction.beginText == nil || handle.isBroken || sync.endsSession else { throw unanswered() }
    }
  }

  private func note(
    _ answer: PostgresResult, _ step: Step, _ transaction: PipelinedTransaction, _ results: inout [PostgresResult]
  ) throws(PostgresError) {
    switch step {
    case .begin, .setting: break
    case .deallocateAll: prepared.forgotAll()
    case .deallocate(let name): prepared.deallocated(name)
    case .prepare(let index): prepared.prepared(transaction.statements[index])
    case .statement: results.append(answer)
    case .commit:
      if handle.notices.current.hasNoTransaction {
        handle.finish()
        var error = PostgresError(
          .protocolViolation,
          "a statement of the batch ended its transaction; leave BEGIN, COMMIT and ROLLBACK to the batch")
        error.mayHaveTakenEffect = true
        throw error
      }
      if answer.commandTag != "COMMIT" {
        handle.finish()
        throw PostgresError(
          .rolledBack, "COMMIT was answered \(answer.commandTag): nothing of the batch was committed")
      }
    }
  }

  private func unanswered() -> PostgresError {
    var error =
      handle.isBroken
      ? Self.lost("the connection was lost while the batch ran")
      : PostgresError(.protocolViolation, "the server ended the batch without answering all of it")
    error.mayHaveTakenEffect = true
    handle.finish()
    return error
  }

  /// Goes back to plain mode, and out of a transaction that failed.
  private func leavePipeline() async throws(PostgresError) {
    guard !handle.isBroken else { return }
    guard PQexitPipelineMode(handle.pointer) == 1 else {
      handle.finish()
      return
    }
    guard PQtransactionStatus(handle.pointer) != PQTRANS_IDLE else { return }
    if PQtransactionStatus(handle.pointer) == PQTRANS_INERROR { try await rollBack() }
  }
}
