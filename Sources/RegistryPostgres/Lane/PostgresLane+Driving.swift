import NIOConcurrencyHelpers

extension PostgresLane {
  /// One batch on its way.
  struct Work: Sendable {
    var id: LaneStateMachine.BatchID
    var session: Session
    var requests: [LaneRequest]
  }

  /// What is done outside the lock.
  enum Effect: Sendable {
    case answer(CheckedContinuation<Answer, Never>, Answer)
    case start(Work)
    case abandon(Session, LaneStateMachine.BatchID)
    case command(Command)
    case finish
  }

  /// Waits for the answer to one caller's work.
  func submit(
    _ request: LaneRequest, isIdempotent: Bool, until deadline: ContinuousClock.Instant?
  ) async throws(PostgresError) -> [PostgresResult] {
    let id = state.withLockedValue { state in
      defer { state.nextCaller += 1 }
      return state.nextCaller
    }
    let demand = LaneStateMachine.Demand(
      statements: request.batch.statements.count, bytes: request.byteCount, isolation: request.batch.isolation,
      order: request.batch.order, isIdempotent: isIdempotent, deadline: deadline ?? .now + configuration.defaultTimeout)
    let answer: Answer = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        enqueue(id, Caller(request: request, continuation: continuation), demand)
      }
    } onCancel: {
      perform { $0.cancel(id) }
    }
    return try answer.get()
  }

  private func enqueue(_ id: LaneStateMachine.CallerID, _ caller: Caller, _ demand: LaneStateMachine.Demand) {
    let effects = state.withLockedValue { state -> [Effect] in
      // Read under the lock that the cancellation handler takes, so that a cancellation is never missed.
      if Task.isCancelled { return [.answer(caller.continuation, .failure(Self.refusal(.cancelled, in: state)))] }
      state.callers[id] = caller
      let (refusal, actions) = state.machine.submit(id, demand, now: .now)
      guard let refusal else { return apply(actions, nil, &state) }
      state.callers[id] = nil
      return [.answer(caller.continuation, .failure(Self.refusal(refusal, in: state)))]
    }
    carryOut(effects)
  }

  /// Runs a batch, and then whatever has gathered for the same connection.
  private func drive(_ first: Work) async {
    var next: Work? = first
    // A connection that rested may have been ended by the server; one that has just answered has not.
    var hasRested = true
    while let work = next {
      if hasRested, work.session.isStale {
        next = end(work, .notSent, isReusable: false, nil)
        continue
      }
      hasRested = false
      let (result, isReusable) = await work.session.execute(Self.transaction(work.requests), ticket: work.id)
      let outcome: LaneStateMachine.Outcome
      switch result {
      case .success: outcome = .committed
      case .failure(let error):
        outcome = .failed(mayHaveTakenEffect: error.mayHaveTakenEffect, isTransient: error.isRetryableWhenIdempotent)
      }
      next = end(work, outcome, isReusable: isReusable, result)
    }
  }

  private func end(
    _ work: Work, _ outcome: LaneStateMachine.Outcome, isReusable: Bool, _ result: Answer?
  ) -> Work? {
    let effects = state.withLockedValue { state in
      let actions = state.machine.ended(
        work.id, outcome, isReusable: isReusable, jitter: Double.random(in: 0...1), now: .now)
      return apply(actions, result.map { (work, $0) }, &state)
    }
    return carryOut(effects, continuingOn: work.session)
  }

  /// Joins the callers' work. Single statements alone need no BEGIN and COMMIT: the sync ends their transaction.
  static func transaction(_ requests: [LaneRequest]) -> PipelinedTransaction {
    let isBare = requests.allSatisfy(\.isBare)
    let isolation = requests.first?.batch.isolation ?? .serverDefault
    var transaction = PipelinedTransaction(beginText: isBare ? nil : isolation.beginText)
    for request in requests { transaction.append(request.batch, request.parameters) }
    return transaction
  }

  /// What the caller at a position gets out of the answer to its batch.
  static func share(of position: Int, _ work: Work, _ answer: Answer) -> Answer {
    let start = work.requests[..<position].reduce(0) { $0 + $1.batch.statements.count }
    let own = start..<(start + work.requests[position].batch.statements.count)
    switch answer {
    case .success(let results):
      guard own.upperBound <= results.count else {
        var error = PostgresError(.protocolViolation, "the server answered fewer statements than were sent")
        error.mayHaveTakenEffect = true
        return .failure(error)
      }
      return .success(Array(results[own]))
    case .failure(var error):
      guard let index = error.statementIndex else { return .failure(error) }
      error.statementIndex = own.contains(index) ? index - start : nil
      if error.statementIndex == nil { error.statementName = nil }
      return .failure(error)
    }
  }

  /// Gives an event to the state machine and does what it asks for.
  func perform(_ event: (inout LaneStateMachine) -> [LaneStateMachine.Action]) {
    let effects = state.withLockedValue { state in apply(event(&state.machine), nil, &state) }
    carryOut(effects)
  }

  func apply(
    _ actions: [LaneStateMachine.Action], _ ended: (work: Work, answer: Answer)?, _ state: inout State
  ) -> [Effect] {
    var effects: [Effect] = []
    func answer(_ id: LaneStateMachine.CallerID, _ answer: Answer) {
      guard let caller = state.callers.removeValue(forKey: id) else { return }
      effects.append(.answer(caller.continuation, answer))
    }
    for action in actions {
      switch action {
      case .start(let connection, let batch, let callers):
        guard let session = state.sessions[connection] else { continue }
        let requests = callers.compactMap { state.callers[$0]?.request }
        effects.append(.start(Work(id: batch, session: session, requests: requests)))
      case .deliver(let id, let position), .fail(let id, let position):
        if let ended {
          answer(id, Self.share(of: position, ended.work, ended.answer))
        } else {
          answer(id, .failure(Self.refusal(.unreachable, in: state)))
        }
      case .refuse(let id, let refusal):
        answer(id, .failure(Self.refusal(refusal, in: state)))
      case .abandon(let connection, let batch):
        if let session = state.sessions[connection] { effects.append(.abandon(session, batch)) }
      case .open(let id):
        effects.append(.command(.open(id)))
      case .close(let id):
        if let session = state.sessions.removeValue(forKey: id) { effects.append(.command(.close(session))) }
      case .setAlarm(let instant):
        // Under the lock, because the last of several must count: a start that is carried out may set a nearer one.
        alarm(&state)?.set(instant)
      case .finish:
        effects.append(.finish)
      }
    }
    return effects
  }

  /// - Returns: the work that goes on on the same connection, for the task that drives it.
  @discardableResult
  func carryOut(_ effects: [Effect], continuingOn session: Session? = nil) -> Work? {
    var next: Work?
    for effect in effects {
      switch effect {
      case .answer(let continuation, let answer): continuation.resume(returning: answer)
      case .start(let work):
        if work.session === session { next = work } else { startAtOnce(work) }
      case .abandon(let session, let batch): Task.detached { await session.abandon(batch) }
      case .command(let command): commandInput.yield(command)
      case .finish: commandInput.finish()
      }
    }
    return next
  }

  /// Begins on the present thread, so that a lone caller's statement is written without waking another.
  private func startAtOnce(_ work: Work) {
    if #available(macOS 26, *) {
      Task.immediateDetached { await self.drive(work) }
    } else {
      Task.detached { await self.drive(work) }
    }
  }

  private func alarm(_ state: inout State) -> Alarm? {
    if state.alarm == nil, state.machine.phase != .finished, case .success(let reactor) = Reactor.shared {
      state.alarm = reactor.makeAlarm { [weak self] in
        self?.perform { $0.timePassed(now: .now) }
      }
    }
    return state.alarm
  }

  static func refusal(_ refusal: LaneStateMachine.Refusal, in state: State) -> PostgresError {
    var error: PostgresError
    switch refusal {
    case .queueFull:
      error = PostgresError(
        .queueFull,
        "\(state.machine.waitingCount) callers wait for the lane's next batch already: try again later, or raise "
          + "maximumWaiting or maximumWaitingBytes")
    case .timedOut, .timedOutUnderWay:
      let reason = state.hasRun ? "before the lane had an answer" : "and the lane's run() has not been called"
      error = PostgresError(.timedOut, "the deadline passed \(reason)")
    case .cancelled, .cancelledUnderWay:
      error = PostgresError(.cancelled, "the task was cancelled before the lane had an answer")
    case .closed, .closedUnderWay: error = PostgresError(.closed, "the lane is shutting down or has ended")
    case .unreachable:
      error = state.lastFailure ?? PostgresError(.connectionFailed, "no connection could be made")
    }
    switch refusal {
    case .timedOutUnderWay, .cancelledUnderWay, .closedUnderWay: error.mayHaveTakenEffect = true
    default: break
    }
    return error
  }
}
