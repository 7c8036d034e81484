import Logging
import NIOConcurrencyHelpers
import ServiceLifecycle

extension PostgresListener {
  /// Keeps the connection until the listener is shut down; to be called once.
  ///
  /// A graceful shutdown, or cancelling the task, ends all sequences.
  /// - Throws: ``PostgresError`` of code `invalidConfiguration` for a connection string that cannot be parsed or a
  ///   limit that makes no sense, `closed` when called twice. A server that cannot be reached, or refuses, is no reason
  ///   to end: see ``failure``.
  public func run() async throws {
    let isFirst = state.withLockedValue { state in
      defer { state.hasRun = true }
      return !state.hasRun
    }
    guard isFirst else {
      throw PostgresError(.closed, "run() was called twice on this listener: make another listener")
    }
    let target: ConnectionTarget
    let reactor: Reactor
    do throws(PostgresError) {
      target = try configuration.validated()
      reactor = try Reactor.shared.get()
    } catch {
      update { state in
        state.failure = error
        return state.machine.drain()
      }
      throw error
    }
    let opener = SessionOpener(configuration: sessionConfiguration(target, reactor))
    perform { $0.start(now: .now) }
    await keep { await self.work(opener) }
  }

  /// Opens a connection each time the state machine asks for one, and drives it to its end.
  private func work(_ opener: SessionOpener) async {
    for await id in commands {
      let opening = Task { await self.live(id, with: opener) }
      let isWanted = state.withLockedValue { state in
        state.opening = opening
        return state.machine.phase == .running
      }
      if !isWanted { opening.cancel() }
      await opening.value
      state.withLockedValue { $0.opening = nil }
    }
  }

  /// One connection's life.
  private func live(_ id: ListenerStateMachine.ConnectionID, with opener: SessionOpener) async {
    do throws(PostgresError) {
      let session = try await opener.open()
      logger.debug("PostgreSQL listener connected", metadata: ["pid": "\(session.backendPID)"])
      update { state in
        state.session = session
        state.machine.opened(id, now: .now)
        return []
      }
      let failure = await converse(id, on: session)
      await session.close()
      end(id, failure)
    } catch {
      end(id, error)
    }
  }

  private func end(_ id: ListenerStateMachine.ConnectionID, _ failure: PostgresError?) {
    if let failure { logger.debug("PostgreSQL listener is without connection", metadata: ["error": "\(failure)"]) }
    update { state in
      state.session = nil
      // A shutdown closes the connection; that is no failure.
      if let failure, state.machine.phase == .running { state.failure = failure }
      return state.machine.lost(
        id, isPermanent: failure?.isPermanentConnectionFailure ?? false, jitter: Double.random(in: 0...1), now: .now)
    }
  }

  /// Does one step after the other.
  /// - Returns: what ended it; `nil` for a shutdown.
  private func converse(_ id: ListenerStateMachine.ConnectionID, on session: Session) async -> PostgresError? {
    while let step = state.withLockedValue({ $0.machine.nextStep(id, now: .now) }) {
      let deadline = ContinuousClock.now + configuration.answerTimeout
      do throws(PostgresError) {
        switch step {
        case .change(let listen, let unlisten):
          try await session.change(listen: listen, unlisten: unlisten, until: deadline)
          update { state in
            state.failure = nil
            return state.machine.changed(id, now: .now)
          }
        case .probe:
          let known = try await session.listeningChannels(until: deadline)
          state.withLockedValue { $0.machine.probed(id, known, now: .now) }
        case .wait(let instant):
          let notifications = try await wait(id, on: session, until: instant)
          perform { $0.received(id, notifications, now: .now) }
        }
      } catch {
        return error
      }
    }
    return nil
  }

  /// Waits in a task of its own, whose cancellation interrupts the wait at any moment of it.
  private func wait(
    _ id: ListenerStateMachine.ConnectionID, on session: Session, until instant: ContinuousClock.Instant
  ) async throws(PostgresError) -> [PostgresNotification] {
    let waiting = Task { await session.notifications(until: instant) }
    let isInterrupted = state.withLockedValue { state in
      state.waiting = waiting
      return state.machine.isInterrupted(id)
    }
    if isInterrupted { waiting.cancel() }
    let result = await waiting.value
    state.withLockedValue { $0.waiting = nil }
    return try result.get()
  }

  private func sessionConfiguration(_ target: ConnectionTarget, _ reactor: Reactor) -> SessionConfiguration {
    SessionConfiguration(
      connectionString: configuration.connectionString, target: target, role: configuration.role,
      applicationName: configuration.applicationName, connectTimeout: configuration.connectTimeout,
      // What does not answer in time is replaced: there is nothing on this connection worth waiting for.
      cancelGrace: min(configuration.answerTimeout, .seconds(1)), directWait: .zero, preparesStatements: false,
      maximumPreparedStatements: 0, reactor: reactor, threads: .shared, logger: logger)
  }
}
