import CLibpq

extension Session {
  private typealias Step = PipelinedTransaction.Step
  private typealias Itinerary = PipelinedTransaction.Itinerary

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
      let results = try await perform(until: nil, ticket: ticket, waiting: transaction.manner) {
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
      try await run(transaction, transaction.opening)
    }
  }

  /// Runs the transaction, and once more where it met a prepared statement that the server outdated or lost.
  private func run(_ transaction: PipelinedTransaction) async throws(PostgresError) -> [PostgresResult] {
    do throws(PostgresError) {
      return try await run(transaction, transaction.itinerary(try prepared.plan(transaction)))
    } catch {
      guard error.needsPreparingAgain, PQtransactionStatus(handle.pointer) == PQTRANS_IDLE, givenUp == nil else {
        throw error
      }
      return try await run(transaction, transaction.itinerary(try prepared.plan(transaction)))
    }
  }

  private func run(
    _ transaction: PipelinedTransaction, _ itinerary: Itinerary
  ) async throws(PostgresError) -> [PostgresResult] {
    guard PQtransactionStatus(handle.pointer) == PQTRANS_IDLE || handle.isBroken else {
      throw PostgresError(
        .unsupported, "a transaction stands open on this connection; run the batch outside it")
    }
    guard PQenterPipelineMode(handle.pointer) == 1 else { throw sendFailure() }
    let isSent =
      itinerary.steps.allSatisfy { send($0, itinerary, transaction) } && PQpipelineSync(handle.pointer) == 1
    guard isSent else {
      // Half a pipeline cannot be taken back; without its COMMIT and sync it has no effect.
      let error = sendFailure()
      handle.finish()
      throw error
    }
    try await flush()
    let (results, failed) = try await read(itinerary, transaction)
    if let (result, step) = failed {
      // Results come in order: an error that the server reported for an earlier step proves that COMMIT did not run.
      let mayHaveCommitted = step == .commit || PQresultErrorField(result.pointer, CInt(UInt8(ascii: "C"))) == nil
      var error = failure(result, mayHaveCommitted: mayHaveCommitted)
      error.statementIndex = step.statementIndex
      error.statementName = step.statementIndex.flatMap { transaction.statementName(at: $0) }
      settle(wasCancelledByServer: error.sqlState == .queryCanceled)
      noteRefusal(error)
      try? await leavePipeline()
      throw error
    }
    settle(wasCancelledByServer: false)
    try await leavePipeline()
    return results
  }

  private func send(_ step: Step, _ itinerary: Itinerary, _ transaction: PipelinedTransaction) -> Bool {
    let connection = handle.pointer
    func command(_ text: String) -> Bool {
      PQsendQueryParams(connection, text, 0, nil, nil, nil, nil, 0) == 1
    }
    switch step {
    case .begin: return command(transaction.beginText ?? "BEGIN")
    case .setting(let index): return command(itinerary.commands[index])
    case .deallocateAll: return command("DEALLOCATE ALL")
    case .deallocate(let index): return command(deallocation(itinerary.deallocations[index]))
    case .prepare(let place):
      let statement = transaction[place]
      return PQsendPrepare(connection, statement.name, statement.text, 0, nil) == 1
    case .statement(let place, let use):
      return send(
        transaction.parts[place.part].statements[place.index - transaction.parts[place.part].range.lowerBound], use)
    case .commit: return command("COMMIT")
    }
  }

  /// Reads the results of all steps and the sync that ends them.
  private func read(
    _ itinerary: Itinerary, _ transaction: PipelinedTransaction
  ) async throws(PostgresError) -> (results: [PostgresResult], failed: (PostgresResult, Step)?) {
    var machine = PipelineStateMachine(itinerary.steps, isImplicit: transaction.beginText == nil)
    var results: [PostgresResult] = []
    results.reserveCapacity(transaction.statementCount)
    var kept: PostgresResult?
    var error: PostgresResult?
    while true {
      let result: PostgresResult?
      if PQisBusy(handle.pointer) == 0 {
        result = PQgetResult(handle.pointer).map(PostgresResult.init)
      } else {
        result = try await nextResult()
      }
      // The server's last word is read before the end of the stream is.
      let isBroken = handle.isBroken || result?.endsSession == true
      switch machine.received(Self.kind(of: result), isBroken: isBroken) {
      case .goOn: break
      case .keep: kept = result
      case .keepError: error = result
      case .note(let step):
        if let kept { try note(kept, step, itinerary, transaction, &results) }
        kept = nil
      case .finish:
        guard let error, let step = machine.failedStep else { return (results, nil) }
        return (results, (error, step))
      case .giveUp: throw unanswered()
      case .refuseCopy:
        handle.finish()
        throw PostgresError(
          .unsupported,
          "COPY cannot be part of a batch: stream it with copyIn or copyOut, or insert from arrays with unnest")
      }
    }
  }

  private static func kind(of result: PostgresResult?) -> PipelineStateMachine.Answer {
    guard let result else { return .none }
    switch PQresultStatus(result.pointer) {
    case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY, PGRES_PIPELINE_ABORTED: return .done
    case PGRES_PIPELINE_SYNC: return .sync
    case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH: return .copy
    default: return .error
    }
  }

  private func note(
    _ answer: PostgresResult, _ step: Step, _ itinerary: Itinerary, _ transaction: PipelinedTransaction,
    _ results: inout [PostgresResult]
  ) throws(PostgresError) {
    switch step {
    case .begin, .setting: break
    case .deallocateAll: prepared.forgotAll()
    case .deallocate(let index): prepared.deallocated(itinerary.deallocations[index])
    case .prepare(let place): prepared.prepared(transaction[place])
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
