import NIOConcurrencyHelpers
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

    /// What the caller at a position gets.
    func share(of position: Int) -> Answer {
      let own = transaction.parts[position].range
      switch answer {
      case .success(let results):
        guard own.upperBound <= results.count else {
          var error = PostgresError(.protocolViolation, "the server answered fewer statements than were sent")
          error.mayHaveTakenEffect = true
          return .failure(error)
        }
        return .results(results, own)
      case .failure(var error):
        guard let index = error.statementIndex else { return .failure(error) }
        error.statementIndex = own.contains(index) ? index - own.lowerBound : nil
        if error.statementIndex == nil { error.statementName = nil }
        return .failure(error)
      }
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
    var answers: [(continuation: UnsafeContinuation<Answer, Never>, answer: Answer)] = []
    var starts: [Work] = []
    var abandoned: [(session: Session, batch: LaneStateMachine.BatchID)] = []
    var commands: [Command] = []
    var isOver = false
  }

  /// Waits for the answer to one caller's work.
  func submit(
    _ request: LaneRequest, isIdempotent: Bool, until deadline: ContinuousClock.Instant?
  ) async throws(PostgresError) -> [PostgresResult] {
    let now = ContinuousClock.now
    let demand = LaneCaller.Demand(
      statements: request.batch.statements.count, bytes: request.byteCount, isolation: request.batch.isolation,
      order: request.batch.order, isIdempotent: isIdempotent, deadline: deadline ?? now + configuration.defaultTimeout)
    let caller = LaneCaller(id: nextCaller.wrappingAdd(1, ordering: .relaxed).newValue, demand, request)
    // The state machine answers each caller once, which the checks of a checked continuation would only repeat.
    let answer: Answer = await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        enqueue(caller, continuation, now: now)
      }
    } onCancel: {
      perform { $0.cancel(caller) }
    }
    switch answer {
    case .results(let results, let own): return own == results.indices ? results : Array(results[own])
    case .failure(let error): throw error
    }
  }

  private func enqueue(
    _ caller: LaneCaller, _ continuation: UnsafeContinuation<Answer, Never>, now: ContinuousClock.Instant
  ) {
    let effects = state.withLockedValue { state -> Effects in
      func refused(_ error: PostgresError) -> Effects {
        Effects(answers: [(continuation, .failure(error))])
      }
      // Read under the lock that the cancellation handler takes, so that a cancellation is never missed.
      if Task.isCancelled { return refused(Self.refusal(.cancelled, in: state)) }
      if let index = state.fit.firstUnfit(caller.request.batch.statements) {
        return refused(LaneRequest.unfit(caller.request.batch.statements[index], at: index))
      }
      caller.continuation = continuation
      let (refusal, actions) = state.machine.submit(caller, now: now)
      guard let refusal else { return apply(actions, nil, &state) }
      return refused(Self.refusal(refusal, in: state))
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
        work.id, outcome, isReusable: isReusable, holds: holds, jitter: Double.random(in: 0...1), now: .now)
    }
  }

  /// Gives an event to the state machine and does what it asks for, but for the work that goes on on one connection.
  private func act(
    continuingOn session: Session, _ ending: Ending? = nil,
    _ event: (inout LaneStateMachine) -> [LaneStateMachine.Action]
  ) -> Work? {
    var effects = state.withLockedValue { state in apply(event(&state.machine), ending, &state) }
    let next = effects.starts.firstIndex { $0.session === session }.map { effects.starts.remove(at: $0) }
    carryOut(effects)
    return next
  }

  /// Gives an event to the state machine and does what it asks for.
  func perform(_ event: (inout LaneStateMachine) -> [LaneStateMachine.Action]) {
    let effects = state.withLockedValue { state in apply(event(&state.machine), nil, &state) }
    carryOut(effects)
  }

  func apply(_ actions: [LaneStateMachine.Action], _ ending: Ending?, _ state: inout State) -> Effects {
    var effects = Effects()
    if ending != nil { effects.answers.reserveCapacity(actions.count) }
    func answer(_ caller: LaneCaller, _ answer: Answer) {
      guard let continuation = caller.continuation else { return }
      caller.continuation = nil
      var answer = answer
      if caller.mayHaveTakenEffect, case .failure(var error) = answer {
        error.mayHaveTakenEffect = true
        answer = .failure(error)
      }
      effects.answers.append((continuation, answer))
    }
    for action in actions {
      switch action {
      case .start(let connection, let batch, let callers):
        guard let session = state.sessions[connection] else { continue }
        effects.starts.append(Work(id: batch, connection: connection, session: session, callers: callers))
      case .deliver(let caller, let position), .fail(let caller, let position):
        answer(caller, ending?.share(of: position) ?? .failure(Self.refusal(.unreachable, in: state)))
      case .refuse(let caller, let refusal):
        answer(caller, .failure(Self.refusal(refusal, in: state)))
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

  func carryOut(_ effects: Effects) {
    for (continuation, answer) in effects.answers { continuation.resume(returning: answer) }
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
