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
      try await complete(Result { () throws(PostgresError) in try send(transaction) })
    }
  }

  /// Begins a transaction and sets its settings in one round trip, for a body that follows.
  func begin(
    _ isolation: PostgresIsolation, settings: [PostgresBatch.Setting], until deadline: ContinuousClock.Instant?
  ) async throws(PostgresError) {
    let transaction = try PipelinedTransaction(PostgresBatch(settings: settings, statements: [], isolation: isolation))
    _ = try await perform(until: deadline) { () async throws(PostgresError) -> [PostgresResult] in
      try await conclude(try send(transaction, transaction.opening))
    }
  }

  /// Goes on with a transaction to its end, and once more where it met a prepared statement that the server outdated or
  /// lost.
  func complete(_ begun: Result<SentTransaction, PostgresError>) async throws(PostgresError) -> [PostgresResult] {
    let sent = try begun.get()
    do throws(PostgresError) {
      return try await conclude(sent)
    } catch {
      guard error.needsPreparingAgain, PQtransactionStatus(handle.pointer) == PQTRANS_IDLE, givenUp == nil else {
        throw error
      }
      return try await conclude(try send(sent.transaction))
    }
  }

  /// Reads a sent transaction to its end.
  private func conclude(_ sent: SentTransaction) async throws(PostgresError) -> [PostgresResult] {
    var sent = sent
    try await flush()
    while !sent.isRead {
      if PQisBusy(handle.pointer) == 0 {
        try take(PQgetResult(handle.pointer).map(PostgresResult.init), from: handle.pointer, &sent)
      } else {
        try take(try await nextResult(), from: handle.pointer, &sent)
      }
    }
    if let result = sent.error, let step = sent.machine.failedStep {
      // Results come in order: an error that the server reported for an earlier step proves that COMMIT did not run.
      let mayHaveCommitted = step == .commit || PQresultErrorField(result.pointer, CInt(UInt8(ascii: "C"))) == nil
      var error = failure(result, mayHaveCommitted: mayHaveCommitted)
      error.statementIndex = step.statementIndex
      error.statementName = step.statementIndex.flatMap { sent.transaction.statements[$0].name }
      settle(wasCancelledByServer: error.sqlState == .queryCanceled)
      noteRefusal(error)
      try? await leavePipeline()
      throw error
    }
    settle(wasCancelledByServer: false)
    try await leavePipeline()
    return sent.results
  }

  /// Sends everything, the sync included, as far as the socket takes it.
  func send(_ transaction: PipelinedTransaction) throws(PostgresError) -> SentTransaction {
    try send(transaction, transaction.itinerary(try prepared.plan(transaction.statements)))
  }

  private func send(
    _ transaction: PipelinedTransaction, _ itinerary: Itinerary
  ) throws(PostgresError) -> SentTransaction {
    guard PQtransactionStatus(handle.pointer) == PQTRANS_IDLE || handle.isBroken else {
      throw PostgresError(
        .unsupported, "a transaction stands open on this connection; run the batch outside it")
    }
    guard PQenterPipelineMode(handle.pointer) == 1 else { throw sendFailure() }
    guard Self.send(itinerary, transaction, on: handle.pointer, &buffer), PQpipelineSync(handle.pointer) == 1 else {
      // Half a pipeline cannot be taken back; without its COMMIT and sync it has no effect.
      let error = sendFailure()
      handle.finish()
      throw error
    }
    return SentTransaction(transaction, itinerary)
  }

  /// All steps in one call, because each look at what an actor holds costs about as much as a step of libpq's.
  private static func send(
    _ itinerary: Itinerary, _ transaction: PipelinedTransaction, on connection: OpaquePointer?,
    _ buffer: inout ParameterBuffer
  ) -> Bool {
    func command(_ text: String) -> Bool {
      PQsendQueryParams(connection, text, 0, nil, nil, nil, nil, 0) == 1
    }
    for step in itinerary.steps {
      let isSent =
        switch step {
        case .begin: command(transaction.beginText ?? "BEGIN")
        case .setting(let index): command(itinerary.commands[index])
        case .deallocateAll: command("DEALLOCATE ALL")
        case .deallocate(let index): command(deallocation(itinerary.deallocations[index]))
        case .prepare(let index):
          PQsendPrepare(connection, transaction.statements[index].name, transaction.statements[index].text, 0, nil) == 1
        case .statement(let index, let use): buffer.send(transaction.statements[index], use, on: connection)
        case .commit: command("COMMIT")
        }
      guard isSent else { return false }
    }
    return true
  }

  /// Takes in the next answer from the session's connection, which its callers have at hand.
  func take(
    _ result: consuming PostgresResult?, from connection: OpaquePointer?, _ sent: inout SentTransaction
  ) throws(PostgresError) {
    // The server's last word is read before the end of the stream is.
    let isBroken = PQstatus(connection) == CONNECTION_BAD || result?.endsSession == true
    switch sent.machine.received(Self.kind(of: result), isBroken: isBroken) {
    case .goOn: break
    case .keep: sent.kept = result
    case .keepError: sent.error = result
    case .note(let step):
      if let answer = sent.kept.take() { try note(answer, step, &sent) }
    case .finish: sent.isRead = true
    case .giveUp: throw unanswered()
    case .refuseCopy:
      handle.finish()
      throw PostgresError(
        .unsupported,
        "COPY cannot be part of a batch: stream it with copyIn or copyOut, or insert from arrays with unnest")
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
    _ answer: consuming PostgresResult, _ step: Step, _ sent: inout SentTransaction
  ) throws(PostgresError) {
    switch step {
    case .begin, .setting: break
    case .statement: sent.results.append(answer)
    case .deallocateAll: prepared.forgotAll()
    case .deallocate(let index): prepared.deallocated(sent.itinerary.deallocations[index])
    case .prepare(let index): prepared.prepared(sent.transaction.statements[index])
    case .commit:
      if handle.notices.current.contains(.noTransaction) {
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
