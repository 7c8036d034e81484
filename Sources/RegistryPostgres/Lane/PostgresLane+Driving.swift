import Synchronization

extension PostgresLane {
  /// One batch on its way.
  struct Work: Sendable {
    var id: LaneStateMachine.BatchID
    var connection: LaneStateMachine.ConnectionID
    var session: Session
    var callers: [LaneCaller]

    /// The callers' work joined. Single statements alone need no BEGIN and COMMIT: the sync ends their transaction.
    var transaction: PipelinedTransaction {
      let isBare = callers.allSatisfy(\.request.isBare)
      let isolation = callers.first?.demand.isolation ?? .serverDefault
      var transaction = PipelinedTransaction(beginText: isBare ? nil : isolation.beginText, parts: callers.count)
      for caller in callers { transaction.append(caller.request.batch) }
      return transaction
    }
  }

  /// How a batch ended, and where in its results the share of each caller stands.
  struct Ending {
    var answer: Result<[PostgresResult], PostgresError>
    var transaction: PipelinedTransaction

    /// What a caller of the batch gets.
    func share(of caller: LaneCaller) -> Answer {
      let own = transaction.parts[caller.position].range
      var error: PostgresError
      switch answer {
      case .success(let results) where own.upperBound <= results.count:
        return own.count == 1 ? .result(results[own.lowerBound]) : .results(Array(results[own]))
      case .success:
        error = PostgresError(.protocolViolation, "the server answered fewer statements than were sent")
        error.mayHaveTakenEffect = true
      case .failure(let failure):
        error = failure
        if let index = error.statementIndex {
          error.statementIndex = own.contains(index) ? index - own.lowerBound : nil
          if error.statementIndex == nil { error.statementName = nil }
        }
      }
      if caller.mayHaveTakenEffect { error.mayHaveTakenEffect = true }
      return .failure(error)
    }

    var outcome: LaneStateMachine.Outcome {
      switch answer {
      case .success: .committed
      case .failure(let error):
        .failed(
          mayHaveTakenEffect: error.mayHaveTakenEffect, isTransient: error.isRetryableWhenIdempotent,
          culprit: error.statementIndex.flatMap { index in transaction.parts.firstIndex { $0.range.contains(index) } })
      }
    }
  }

  /// What is done outside the lock.
  struct Effects: Sendable {
    /// Each of these gets its share of the ending.
    var shared: [LaneCaller] = []
    var refused: [(caller: LaneCaller, error: PostgresError)] = []
    var starts: [Work] = []
    var abandoned: [(session: Session, batch: LaneStateMachine.BatchID)] = []
    var commands: [Command] = []
    var isOver = false
  }

  /// Waits for the answer to one caller's work.
  func submit(
    _ request: consuming LaneRequest, isIdempotent: Bool, until deadline: ContinuousClock.Instant?
  ) async -> Answer {
    let now = ContinuousClock.now
    let demand = LaneCaller.Demand(
      statements: request.batch.statements.count, bytes: request.byteCount, isolation: request.batch.isolation,
      order: request.batch.order, isIdempotent: isIdempotent, deadline: deadline ?? now + configuration.defaultTimeout)
    let caller = LaneCaller(id: nextCaller.wrappingAdd(1, ordering: .relaxed).newValue, demand, request)
    // The state machine answers each caller once, which the checks of a checked continuation would only repeat.
    return await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        caller.continuation = continuation
        enqueue(caller, now: now)
      }
    } onCancel: {
      perform { $0.cancel(caller) }
    }
  }

  private func enqueue(_ caller: LaneCaller, now: ContinuousClock.Instant) {
    let effects = state.withLockedValue { state -> Effects in
      func refused(_ error: PostgresError) -> Effects { Effects(refused: [(caller, error)]) }
      // Read under the lock that the cancellation handler takes, so that a cancellation is never missed.
      if Task.isCancelled { return refused(Self.refusal(.cancelled, in: state)) }
      if let index = state.fit.firstUnfit(caller.request.batch.statements) {
        return refused(LaneRequest.unfit(caller.request.batch.statements[index], at: index))
      }
      let (refusal, actions) = state.machine.submit(caller, now: now)
      if let refusal { return refused(Self.refusal(refusal, in: state)) }
      return actions.isEmpty ? Effects() : apply(actions, &state)
    }
    carryOut(effects, nil)
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
      let transaction = work.transaction
      let (answer, isReusable) = await work.session.execute(transaction, ticket: work.id)
      let ending = Ending(answer: answer, transaction: transaction)
      let outcome = ending.outcome
      let holds = outcome == .committed && work.callers.count > 1
      next = end(work, outcome, isReusable: isReusable, holds: holds, ending)
      if holds {
        // Behind those who have just been resumed: what they ask for next travels in one batch.
        await Task.yield()
        next = act(continuingOn: work.session) { $0.released(work.connection) }
      }
    }
  }

  private func end(
    _ work: Work, _ outcome: LaneStateMachine.Outcome, isReusable: Bool, holds: Bool = false, _ ending: Ending?
  ) -> Work? {
    act(continuingOn: work.session, ending) {
      $0.ended(
        work.id, outcome, isReusable: isReusable, holds: holds, jitter: { Double.random(in: 0...1) }, now: .now)
    }
  }

  /// Gives an event to the state machine and does what it asks for, but for the work that goes on on one connection.
  private func act(
    continuingOn session: Session, _ ending: Ending? = nil,
    _ event: (inout LaneStateMachine) -> [LaneStateMachine.Action]
  ) -> Work? {
    var effects = state.withLockedValue { state in apply(event(&state.machine), &state) }
    let next = effects.starts.firstIndex { $0.session === session }.map { effects.starts.remove(at: $0) }
    carryOut(effects, ending)
    return next
  }

  /// Gives an event to the state machine and does what it asks for.
  func perform(_ event: (inout LaneStateMachine) -> [LaneStateMachine.Action]) {
    let effects = state.withLockedValue { state in apply(event(&state.machine), &state) }
    carryOut(effects, nil)
  }

  func apply(_ actions: [LaneStateMachine.Action], _ state: inout State) -> Effects {
    var effects = Effects()
    for action in actions {
      switch action {
      case .start(let connection, let batch, let callers):
        guard let session = state.sessions[connection] else { continue }
        effects.starts.append(Work(id: batch, connection: connection, session: session, callers: callers))
      case .deliver(let callers):
        effects.shared = callers
      case .fail(let caller):
        effects.shared.append(caller)
      case .refuse(let caller, let refusal):
        var error = Self.refusal(refusal, in: state)
        if caller.mayHaveTakenEffect { error.mayHaveTakenEffect = true }
        effects.refused.append((caller, error))
      case .abandon(let connection, let batch):
        if let session = state.sessions[connection] { effects.abandoned.append((session, batch)) }
      case .open(let id):
        effects.commands.append(.open(id))
      case .close(let id):
        if let session = state.sessions.removeValue(forKey: id) { effects.commands.append(.close(session)) }
      case .setAlarm(let instant):
        // Under the lock, because the last of several must count: a start that is carried out may set a nearer one.
        alarm(&state)?.set(instant)
      case .finish:
        effects.isOver = true
      }
    }
    return effects
  }

  /// Does what was decided, outside the lock. Callers who have their answer belong to nobody else any more.
  func carryOut(_ effects: Effects, _ ending: Ending?) {
    if let ending { for caller in effects.shared { caller.continuation?.resume(returning: ending.share(of: caller)) } }
    for (caller, error) in effects.refused { caller.continuation?.resume(returning: .failure(error)) }
    for work in effects.starts { startAtOnce(work) }
    for (session, batch) in effects.abandoned { Task.detached { await session.abandon(batch) } }
    for command in effects.commands { commandInput.yield(command) }
    if effects.isOver { commandInput.finish() }
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
