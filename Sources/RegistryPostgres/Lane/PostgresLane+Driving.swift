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
      for caller in callers {
        switch caller.request {
        case .statement(let statement): transaction.append(statement)
        case .batch(let batch): transaction.append(batch)
        }
      }
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
    var refused: [(continuation: UnsafeContinuation<Answer, Never>, error: PostgresError)] = []
    var starts: [Work] = []
    var abandoned: [(session: Session, batch: LaneStateMachine.BatchID)] = []
    var commands: [ConnectionCommands<LaneStateMachine.ConnectionID>.Command] = []
    var isOver = false
  }

  func makeCaller(_ demand: consuming LaneCaller.Demand, _ request: consuming LaneRequest) -> LaneCaller {
    LaneCaller(id: nextCaller.wrappingAdd(1, ordering: .relaxed).newValue, demand, request)
  }

  /// Waits for the answer to one caller's work. Inlined, because an asynchronous call takes memory of its task.
  @inline(__always)
  nonisolated(nonsending) func submit(_ caller: LaneCaller, now: LaneInstant) async -> Answer {
    guard let work = takeAlone(caller, now: now) else {
      return await withTaskCancellationHandler {
        // The state machine answers each caller once, which the checks of a checked continuation would only repeat.
        await withUnsafeContinuation { continuation in
          enqueue(caller, continuation, now: now)
        }
      } onCancel: {
        perform { $0.cancel(caller) }
      }
    }
    let leg = await travelAlone(work, caller, in: work.session)
    if leg.isOverdrawn { await Task.yield() }
    if let answer = leg.answer { return answer }
    return await withTaskCancellationHandler {
      await answer(to: caller)
    } onCancel: {
      perform { $0.cancel(caller) }
    }
  }

  private func enqueue(
    _ caller: LaneCaller, _ continuation: UnsafeContinuation<Answer, Never>, now: LaneInstant
  ) {
    let effects = state.withLockedValue { state -> Effects? in
      func refused(_ error: PostgresError) -> Effects { Effects(refused: [(continuation, error)]) }
      // Read under the lock that the cancellation handler takes, so that a cancellation is never missed.
      if Task.isCancelled { return refused(Self.refusal(.cancelled, in: state)) }
      switch state.fit.fitness(of: caller.request) {
      case .fit(let onlyReads): caller.onlyReads = onlyReads || caller.demand.isolation.isReadOnly
      case .unfit(let index): return refused(caller.request.unfit(at: index))
      }
      let (refusal, actions) = state.machine.submit(caller, now: now)
      if let refusal { return refused(Self.refusal(refusal, in: state)) }
      caller.continuation = continuation
      return actions.isEmpty ? nil : apply(actions, nil, &state)
    }
    if let effects { carryOut(effects, nil) }
  }

  /// A caller that nobody keeps company takes its batch in hand itself.
  private func takeAlone(_ caller: LaneCaller, now: LaneInstant) -> Work? {
    guard isLonely.load(ordering: .relaxed), !Task.isCancelled else { return nil }
    return state.withLockedValue { state in
      guard let connection = state.machine.loneConnection, let session = state.sessions[connection],
        case .fit(let onlyReads) = state.fit.fitness(of: caller.request),
        let batch = state.machine.take(connection, alone: caller, now: now)
      else { return nil }
      caller.onlyReads = onlyReads || caller.demand.isolation.isReadOnly
      return Work(id: batch, connection: connection, session: session, callers: [caller])
    }
  }

  /// Takes a lone caller's batch as far as its thread may be held, without another thread; the rest is done by a task
  /// of its own, because the caller may leave before. On the session's actor and not on the caller's, which may be busy
  /// while others wait for the connection.
  /// - Returns: the answer, if it has come; and whether the thread was held so long that others must have a turn.
  private func travelAlone(
    _ work: Work, _ caller: LaneCaller, in session: isolated Session
  ) -> (answer: Answer?, isOverdrawn: Bool) {
    if session.isStale {
      Task.detached { await self.drive(work) }
      return (nil, false)
    }
    let transaction = work.transaction
    guard let ended = session.begin(transaction, ticket: work.id) else {
      Task.detached { await self.drive(work, begun: transaction) }
      return (nil, false)
    }
    let ending = Ending(answer: ended.result, transaction: transaction)
    if ended.isReusable, case .success = ended.result,
      state.withLockedValue({ $0.machine.endedAlone(work.id, now: .now) })
    {
      return (ending.share(of: caller), ended.isOverdrawn)
    }
    if let next = end(work, ended, ending) {
      Task.detached { await self.drive(next) }
    }
    return (nil, ended.isOverdrawn)
  }

  /// Waits for the answer of a caller that has begun its batch itself.
  nonisolated(nonsending) private func answer(to caller: LaneCaller) async -> Answer {
    if let answer = state.withLockedValue({ _ in caller.answer }) { return answer }
    return await withUnsafeContinuation { continuation in
      let answer = state.withLockedValue { _ -> Answer? in
        if caller.answer == nil { caller.continuation = continuation }
        return caller.answer
      }
      if let answer { continuation.resume(returning: answer) }
    }
  }

  /// Runs a batch, and then whatever has gathered for the same connection.
  /// - Parameters:
  ///   - first: the batch.
  ///   - begun: its transaction, where it has been begun.
  private func drive(_ first: Work, begun: PipelinedTransaction? = nil) async {
    var next: Work? = first
    var begun = begun
    // A connection that rested may have been ended by the server; one that has just answered has not.
    var hasRested = begun == nil
    while let work = next {
      if hasRested, work.session.isStale {
        next = act(continuingOn: work.session) {
          $0.ended(work.id, .notSent, isReusable: false, jitter: { Double.random(in: 0...1) }, now: .now)
        }
        continue
      }
      hasRested = false
      let transaction = begun ?? work.transaction
      let ended =
        begun == nil
        ? await work.session.execute(transaction, ticket: work.id) : await work.session.finish()
      begun = nil
      let ending = Ending(answer: ended.result, transaction: transaction)
      let holds = ending.outcome == .committed && work.callers.count > 1
      next = end(work, ended, holds: holds, ending)
      if holds {
        // Behind those who have just been resumed: what they ask for next travels in one batch.
        await Task.yield()
        next = act(continuingOn: work.session) { $0.released(work.connection) }
      } else if next != nil, ended.isOverdrawn {
        await Task.yield()
      }
    }
  }

  private func end(_ work: Work, _ ended: Session.Ended, holds: Bool = false, _ ending: Ending) -> Work? {
    act(continuingOn: work.session, ending) {
      $0.ended(
        work.id, ending.outcome, isReusable: ended.isReusable, holds: holds, jitter: { Double.random(in: 0...1) },
        now: .now)
    }
  }

  /// Gives an event to the state machine and does what it asks for, but for the work that goes on on one connection.
  private func act(
    continuingOn session: Session, _ ending: Ending? = nil,
    _ event: (inout LaneStateMachine) -> [LaneStateMachine.Action]
  ) -> Work? {
    var effects = state.withLockedValue { state in
      let effects = apply(event(&state.machine), ending, &state)
      if isLonely.load(ordering: .relaxed) != state.machine.isLonely {
        isLonely.store(state.machine.isLonely, ordering: .relaxed)
      }
      return effects
    }
    let next = effects.starts.firstIndex { $0.session === session }.map { effects.starts.remove(at: $0) }
    carryOut(effects, ending)
    return next
  }

  /// Gives an event to the state machine and does what it asks for.
  func perform(_ event: (inout LaneStateMachine) -> [LaneStateMachine.Action]) {
    let effects = state.withLockedValue { state in apply(event(&state.machine), nil, &state) }
    carryOut(effects, nil)
  }

  func apply(_ actions: [LaneStateMachine.Action], _ ending: Ending?, _ state: inout State) -> Effects {
    var effects = Effects()
    /// One that does not wait yet finds its answer when it comes to that.
    func isWaiting(_ caller: LaneCaller) -> Bool {
      if caller.continuation == nil { caller.answer = ending?.share(of: caller) }
      return caller.continuation != nil
    }
    for action in actions {
      switch action {
      case .start(let connection, let batch, let callers):
        guard let session = state.sessions[connection] else { continue }
        effects.starts.append(Work(id: batch, connection: connection, session: session, callers: callers))
      case .deliver(let callers):
        let allWait = callers.allSatisfy { $0.continuation != nil }
        effects.shared = allWait ? callers : callers.filter(isWaiting)
      case .fail(let caller):
        if isWaiting(caller) { effects.shared.append(caller) }
      case .refuse(let caller, let refusal):
        var error = Self.refusal(refusal, in: state)
        if caller.mayHaveTakenEffect { error.mayHaveTakenEffect = true }
        if let continuation = caller.continuation {
          effects.refused.append((continuation, error))
        } else {
          caller.answer = .failure(error)
        }
      case .abandon(let connection, let batch):
        if let session = state.sessions[connection] { effects.abandoned.append((session, batch)) }
      case .open(let id):
        effects.commands.append(.open(id))
      case .close(let id):
        if let session = state.sessions.removeValue(forKey: id) { effects.commands.append(.close(session)) }
      case .setAlarm(let instant):
        // Under the lock, because the last of several must count: a start that is carried out may set a nearer one.
        alarm(&state)?.set(instant.instant)
      case .finish:
        effects.isOver = true
      }
    }
    return effects
  }

  /// Does what was decided, outside the lock. Callers who have their answer belong to nobody else any more.
  func carryOut(_ effects: Effects, _ ending: Ending?) {
    if let ending { for caller in effects.shared { caller.continuation?.resume(returning: ending.share(of: caller)) } }
    for (continuation, error) in effects.refused { continuation.resume(returning: .failure(error)) }
    for work in effects.starts { Task.detached { await self.drive(work) } }
    for (session, batch) in effects.abandoned { Task.detached { await session.abandon(batch) } }
    for command in effects.commands { commands.give(command) }
    if effects.isOver { commands.finish() }
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
