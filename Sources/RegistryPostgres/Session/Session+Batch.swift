import CLibpq

extension Session {
  /// One message of a pipeline; its results are read in the order of sending.
  private enum Step {
    case begin
    case setting(Int)
    case deallocate(String)
    case prepare(Int)
    case statement(Int, PreparedStatements.Use)
    case commit

    /// The statement of the batch that a failure of this step belongs to.
    var statementIndex: Int? {
      switch self {
      case .prepare(let index), .statement(let index, _): index
      default: nil
      }
    }
  }

  /// Runs the batch as one transaction, in one pipeline with one sync.
  func execute(
    _ batch: PostgresBatch, until deadline: ContinuousClock.Instant?
  ) async throws(PostgresError) -> [PostgresResult] {
    guard batch.statements.count <= PostgresBatch.maximumStatements else {
      throw PostgresError(
        .invalidParameter,
        "a batch of \(batch.statements.count) statements is larger than the limit of "
          + "\(PostgresBatch.maximumStatements): split it, or pass arrays and unnest them")
    }
    var parameters: [EncodedParameters] = []
    parameters.reserveCapacity(batch.statements.count)
    for (index, statement) in batch.statements.enumerated() {
      do throws(PostgresError) {
        parameters.append(try EncodedParameters(statement))
      } catch {
        var error = error
        error.statementIndex = index
        throw error
      }
    }
    return try await perform(until: deadline) { () async throws(PostgresError) -> [PostgresResult] in
      do throws(PostgresError) {
        return try await run(batch, parameters)
      } catch {
        guard error.needsPreparingAgain, PQtransactionStatus(handle.pointer) == PQTRANS_IDLE, interruption == nil else {
          throw error
        }
        return try await run(batch, parameters)
      }
    }
  }

  /// Begins a transaction and sets its settings in one round trip, for a body that follows.
  func begin(
    _ isolation: PostgresIsolation, settings: [PostgresBatch.Setting], until deadline: ContinuousClock.Instant?
  ) async throws(PostgresError) {
    let batch = PostgresBatch(settings: settings, statements: [], isolation: isolation)
    _ = try await perform(until: deadline) { () async throws(PostgresError) -> [PostgresResult] in
      try await run(batch, [], [.begin] + settings.indices.map(Step.setting))
    }
  }

  private func run(
    _ batch: PostgresBatch, _ parameters: [EncodedParameters]
  ) async throws(PostgresError) -> [PostgresResult] {
    let plan = try prepared.plan(batch.statements)
    var steps: [Step] = []
    steps.reserveCapacity(batch.settings.count + batch.statements.count + 2)
    steps.append(.begin)
    steps += batch.settings.indices.map(Step.setting)
    steps += plan.deallocations.map(Step.deallocate)
    var preparations = plan.preparations[...]
    for index in batch.statements.indices {
      if preparations.first == index { steps.append(.prepare(preparations.removeFirst())) }
      steps.append(.statement(index, plan.uses[index]))
    }
    steps.append(.commit)
    return try await run(batch, parameters, steps)
  }

  private func run(
    _ batch: PostgresBatch, _ parameters: [EncodedParameters], _ steps: [Step]
  ) async throws(PostgresError) -> [PostgresResult] {
    guard PQtransactionStatus(handle.pointer) == PQTRANS_IDLE || handle.isBroken else {
      throw PostgresError(
        .unsupported, "a transaction stands open on this connection; run the batch outside it")
    }
    guard PQenterPipelineMode(handle.pointer) == 1 else { throw sendFailure() }
    let isSent = steps.allSatisfy { send($0, batch, parameters) } && PQpipelineSync(handle.pointer) == 1
    guard isSent else {
      // Half a pipeline cannot be taken back; without its COMMIT and sync it has no effect.
      let error = sendFailure()
      handle.finish()
      throw error
    }
    try await flush()
    let (results, firstError) = try await read(steps, batch)
    if let (result, step) = firstError {
      let isCommit = if case .commit = step { true } else { false }
      // Results come in order: an error that the server reported for an earlier step proves that COMMIT did not run.
      let mayHaveCommitted = isCommit || PQresultErrorField(result.pointer, CInt(UInt8(ascii: "C"))) == nil
      var error = failure(result, mayHaveCommitted: mayHaveCommitted)
      error.statementIndex = step.statementIndex
      error.statementName = step.statementIndex.flatMap { batch.statements[$0].name }
      settle(wasCancelledByServer: error.sqlState == .queryCanceled)
      noteRefusal(error)
      try? await leavePipeline()
      throw error
    }
    settle(wasCancelledByServer: false)
    try await leavePipeline()
    return results
  }

  private func send(_ step: Step, _ batch: PostgresBatch, _ parameters: [EncodedParameters]) -> Bool {
    let connection = handle.pointer
    func command(_ text: String) -> Bool {
      PQsendQueryParams(connection, text, 0, nil, nil, nil, nil, 0) == 1
    }
    switch step {
    case .begin: return command(batch.isolation.beginText)
    case .setting(let index): return command(batch.settings[index].text)
    case .deallocate(let name): return command(deallocation(name))
    case .prepare(let index):
      let statement = batch.statements[index]
      return PQsendPrepare(connection, statement.name, statement.text, 0, nil) == 1
    case .statement(let index, let use): return send(batch.statements[index], parameters[index], use)
    case .commit: return command("COMMIT")
    }
  }

  /// Reads the results of all steps and the sync that ends them.
  private func read(
    _ steps: [Step], _ batch: PostgresBatch
  ) async throws(PostgresError) -> (results: [PostgresResult], firstError: (PostgresResult, Step)?) {
    var results: [PostgresResult] = []
    results.reserveCapacity(batch.statements.count)
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
            .unsupported, "COPY cannot be part of a batch; insert rows from arrays with unnest instead")
        default:
          answer = result
          if firstError == nil { firstError = (result, step) }
        }
      }
      guard let answer else {
        if let firstError { return (results, firstError) }
        throw unanswered()
      }
      if firstError == nil { try note(answer, step, batch, &results) }
      if firstError != nil, handle.isBroken { return (results, firstError) }
    }
    guard let sync = try await nextResult(), PQresultStatus(sync.pointer) == PGRES_PIPELINE_SYNC else {
      if firstError != nil { return (results, firstError) }
      throw unanswered()
    }
    return (results, firstError)
  }

  private func note(
    _ answer: PostgresResult, _ step: Step, _ batch: PostgresBatch, _ results: inout [PostgresResult]
  ) throws(PostgresError) {
    switch step {
    case .begin, .setting: break
    case .deallocate(let name): prepared.deallocated(name)
    case .prepare(let index): prepared.prepared(batch.statements[index])
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
