import NIOConcurrencyHelpers
import Synchronization

extension PostgresPool {
  /// Waits for a connection.
  func borrow(until deadline: ContinuousClock.Instant) async throws(PostgresError) -> Lent {
    // Each round throws one dead connection away, and there are no more than that.
    for _ in 0...configuration.maximumConnections {
      let lent = try await borrowAny(until: deadline)
      if !lent.session.isStale {
        users.come()
        return lent
      }
      perform { $0.returned(lent.id, isReusable: false, now: .now) }
    }
    throw PostgresError(
      .connectionLost, "the server ends connections as fast as they are opened; its log says why")
  }

  /// Takes a connection back; one that is broken, in a transaction or busy is closed.
  func giveBack(_ lent: Lent) async {
    users.go()
    let isReusable = await lent.session.isReusable
    perform { $0.returned(lent.id, isReusable: isReusable, now: .now) }
  }

  private func borrowAny(until deadline: ContinuousClock.Instant) async throws(PostgresError) -> Lent {
    let waiter = state.withLockedValue { state in
      defer { state.nextWaiter += 1 }
      return state.nextWaiter
    }
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        enqueue(waiter, continuation, until: deadline)
      }
    } onCancel: {
      perform { $0.cancel(waiter) }
    }
    _ = handedOver.load(ordering: .acquiring)
    return try result.get()
  }

  private func enqueue(
    _ waiter: PoolStateMachine.WaiterID, _ continuation: CheckedContinuation<Result<Lent, PostgresError>, Never>,
    until deadline: ContinuousClock.Instant
  ) {
    let (answer, effects) = state.withLockedValue { state -> (Result<Lent, PostgresError>?, [Effect]) in
      // Read under the lock that the cancellation handler takes, so that a cancellation is never missed.
      if Task.isCancelled { return (.failure(Self.refusal(.cancelled, in: state)), []) }
      let (request, actions) = state.machine.request(waiter, deadline: deadline, now: .now)
      let effects = apply(actions, &state)
      switch request {
      case .lent(let id):
        guard let session = state.sessions[id] else {
          return (.failure(PostgresError(.closed, "the pool lost track of a connection")), effects)
        }
        return (.success((id, session)), effects)
      case .refused(let refusal): return (.failure(Self.refusal(refusal, in: state)), effects)
      case .waiting:
        state.waiters[waiter] = continuation
        return (nil, effects)
      }
    }
    if let answer { continuation.resume(returning: answer) }
    carryOut(effects)
  }

  /// What is done outside the lock.
  enum Effect: Sendable {
    case answer(CheckedContinuation<Result<Lent, PostgresError>, Never>, Result<Lent, PostgresError>)
    case command(ConnectionCommands<PoolStateMachine.ConnectionID>.Command)
    case finish
  }

  /// Gives an event to the state machine and does what it asks for.
  func perform(_ event: (inout PoolStateMachine) -> [PoolStateMachine.Action]) {
    let effects = state.withLockedValue { state in
      apply(event(&state.machine), &state)
    }
    carryOut(effects)
  }

  func apply(_ actions: [PoolStateMachine.Action], _ state: inout State) -> [Effect] {
    var effects: [Effect] = []
    for action in actions {
      switch action {
      case .lend(let id, let waiter):
        guard let continuation = state.waiters.removeValue(forKey: waiter), let session = state.sessions[id] else {
          continue
        }
        effects.append(.answer(continuation, .success((id, session))))
      case .refuse(let waiter, let refusal):
        guard let continuation = state.waiters.removeValue(forKey: waiter) else { continue }
        effects.append(.answer(continuation, .failure(Self.refusal(refusal, in: state))))
      case .open(let id):
        effects.append(.command(.open(id)))
      case .close(let id):
        if let session = state.sessions.removeValue(forKey: id) { effects.append(.command(.close(session))) }
      case .setAlarm(let instant):
        // Under the lock, because the last of several must count.
        alarm(&state)?.set(instant)
      case .finish:
        effects.append(.finish)
      }
    }
    return effects
  }

  /// The pool's alarm, made when it is first needed: callers who come before `run()` have deadlines too.
  private func alarm(_ state: inout State) -> Alarm? {
    if state.alarm == nil, state.machine.phase == .running, case .success(let reactor) = Reactor.shared {
      state.alarm = reactor.makeAlarm { [weak self] in
        self?.perform { $0.timePassed(now: .now) }
      }
    }
    return state.alarm
  }

  func carryOut(_ effects: [Effect]) {
    for effect in effects {
      switch effect {
      case .answer(let continuation, let result):
        handedOver.wrappingAdd(1, ordering: .releasing)
        continuation.resume(returning: result)
      case .command(let command): commands.give(command)
      case .finish: commands.finish()
      }
    }
  }

  private static func refusal(_ refusal: PoolStateMachine.Refusal, in state: State) -> PostgresError {
    switch refusal {
    case .queueFull:
      return PostgresError(
        .queueFull,
        "\(state.machine.waitingCount) callers wait for a connection already: try again later, or raise "
          + "maximumConnections or maximumWaiting")
    case .timedOut:
      let reason =
        state.hasRun
        ? "all connections were in use; allow more of them, or more time" : "the pool's run() has not been called"
      return PostgresError(.timedOut, "the deadline passed while waiting for a connection: \(reason)")
    case .cancelled: return PostgresError(.cancelled, "the task was cancelled while waiting for a connection")
    case .shuttingDown: return PostgresError(.closed, "the pool is shutting down or has ended")
    case .unreachable:
      return state.lastFailure ?? PostgresError(.connectionFailed, "no connection could be made")
    }
  }
}
