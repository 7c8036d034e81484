import NIOConcurrencyHelpers

extension PostgresListener {
  /// What is done outside the lock.
  private enum Effect: Sendable {
    case answer(CheckedContinuation<Element?, Never>, Element?)
    case open(ListenerStateMachine.ConnectionID)
    case cancelWait(Task<Result<[PostgresNotification], PostgresError>, Never>)
    case cancelOpening(Task<Void, Never>)
    case close(Session)
    case finish
  }

  func subscribe(to channel: String) -> ListenerStateMachine.SubscriptionID {
    let (id, effects) = state.withLockedValue { state in
      let (id, actions) = state.machine.subscribe(channel, now: .now)
      return (id, apply(actions, &state))
    }
    carryOut(effects)
    return id
  }

  func unsubscribe(_ id: ListenerStateMachine.SubscriptionID) {
    perform { $0.unsubscribe(id) }
  }

  func next(_ id: ListenerStateMachine.SubscriptionID, within interval: Duration?) async -> Element? {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let effects = state.withLockedValue { state -> [Effect] in
          // Read under the lock that the cancellation handler takes, so that a cancellation is never missed.
          if Task.isCancelled { return [.answer(continuation, nil)] }
          let now = ContinuousClock.now
          let (answer, actions) = state.machine.next(id, deadline: interval.map { now + $0 }, now: now)
          let effects = apply(actions, &state)
          switch answer {
          case .element(let element): return effects + [.answer(continuation, element)]
          case .end: return effects + [.answer(continuation, nil)]
          case .waiting:
            state.waiters[id] = continuation
            return effects
          }
        }
        carryOut(effects)
      }
    } onCancel: {
      perform { $0.cancelNext(id) }
    }
  }

  /// Gives an event to the state machine and does what it asks for.
  func perform(_ event: (inout ListenerStateMachine) -> [ListenerStateMachine.Action]) {
    update { state in event(&state.machine) }
  }

  /// As ``perform(_:)``, for events that concern more than the state machine.
  func update(_ event: (inout State) -> [ListenerStateMachine.Action]) {
    let effects = state.withLockedValue { state in
      let actions = event(&state)
      return apply(actions, &state)
    }
    carryOut(effects)
  }

  private func apply(_ actions: [ListenerStateMachine.Action], _ state: inout State) -> [Effect] {
    var effects: [Effect] = []
    for action in actions {
      switch action {
      case .answer(let id, let element):
        if let continuation = state.waiters.removeValue(forKey: id) { effects.append(.answer(continuation, element)) }
      case .open(let id):
        effects.append(.open(id))
      case .interrupt:
        if let waiting = state.waiting { effects.append(.cancelWait(waiting)) }
      case .close:
        if let session = state.session {
          effects.append(.close(session))
        } else if let opening = state.opening {
          effects.append(.cancelOpening(opening))
        }
      case .setAlarm(let instant):
        // Under the lock, because the last of several must count.
        alarm(&state)?.set(instant)
      case .finish:
        effects.append(.finish)
      }
    }
    return effects
  }

  private func carryOut(_ effects: [Effect]) {
    for effect in effects {
      switch effect {
      case .answer(let continuation, let element): continuation.resume(returning: element)
      case .open(let id): commandInput.yield(id)
      case .cancelWait(let waiting): waiting.cancel()
      case .cancelOpening(let opening): opening.cancel()
      case .close(let session): Task.detached { await session.close() }
      case .finish: commandInput.finish()
      }
    }
  }

  /// The listener's alarm, made when it is first needed: subscribers who come before `run()` have deadlines too.
  private func alarm(_ state: inout State) -> Alarm? {
    if state.alarm == nil, state.machine.phase != .finished, case .success(let reactor) = Reactor.shared {
      state.alarm = reactor.makeAlarm { [weak self] in
        self?.perform { $0.timePassed(now: .now) }
      }
    }
    return state.alarm
  }
}
