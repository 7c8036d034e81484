import Logging
import ServiceLifecycle

extension PostgresLane {
  /// Opens and closes the lane's connections until it is shut down; to be called once.
  ///
  /// A graceful shutdown refuses new callers and serves those who wait; cancelling the task refuses these too.
  /// - Throws: ``PostgresError`` of code `invalidConfiguration` for a connection string that cannot be parsed or a
  ///   limit that makes no sense, `closed` when called twice. A server that cannot be reached is no reason to end.
  public func run() async throws {
    let isFirst = state.withLockedValue { state in
      defer { state.hasRun = true }
      return !state.hasRun
    }
    guard isFirst else {
      throw PostgresError(.closed, "run() was called twice on this lane: make another lane")
    }
    let target: ConnectionTarget
    let reactor: Reactor
    do throws(PostgresError) {
      target = try configuration.validated()
      reactor = try Reactor.shared.get()
    } catch {
      terminate()
      throw error
    }
    let opener = SessionOpener(configuration: sessionConfiguration(target, reactor))
    perform { $0.start(now: .now) }
    await keep {
      await self.commands.carryOut {
        self.state.withLockedValue { $0.machine.phase != .finished }
      } open: { id in
        await self.open(id, with: opener)
      } closed: { session in
        self.logger.debug("PostgreSQL lane closed", metadata: ["pid": "\(session.backendPID)"])
      }
    }
  }

  private func open(_ id: LaneStateMachine.ConnectionID, with opener: SessionOpener) async {
    let effects: Effects
    do throws(PostgresError) {
      let session = try await opener.open()
      logger.debug("PostgreSQL lane opened", metadata: ["pid": "\(session.backendPID)"])
      let (found, isOver) = state.withLockedValue { state -> (Effects, Bool) in
        guard state.machine.phase != .finished else { return (Effects(), true) }
        state.sessions[id] = session
        state.lastFailure = nil
        return (
          apply(state.machine.opened(id, lifetimeShare: Double.random(in: 0.9...1), now: .now), nil, &state), false
        )
      }
      if isOver { await session.close() }
      effects = found
    } catch {
      logger.debug("PostgreSQL lane could not connect", metadata: ["error": "\(error)"])
      effects = state.withLockedValue { state in
        state.lastFailure = error
        return apply(
          state.machine.openingFailed(
            id, isPermanent: error.isPermanentConnectionFailure, jitter: Double.random(in: 0...1), now: .now),
          nil, &state)
      }
    }
    carryOut(effects, nil)
  }

  private func sessionConfiguration(_ target: ConnectionTarget, _ reactor: Reactor) -> SessionConfiguration {
    SessionConfiguration(
      connectionString: configuration.connectionString, target: target, role: configuration.role,
      applicationName: configuration.applicationName, connectTimeout: configuration.connectTimeout,
      cancelGrace: configuration.cancelGrace, directWait: configuration.directWait,
      preparesStatements: configuration.preparesStatements,
      maximumPreparedStatements: configuration.maximumPreparedStatements, reactor: reactor, threads: .shared,
      logger: logger)
  }
}
