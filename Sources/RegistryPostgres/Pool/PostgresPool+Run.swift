import Logging
import NIOConcurrencyHelpers
import ServiceLifecycle

extension PostgresPool {
  /// Opens and closes the pool's connections until it is shut down; to be called once.
  ///
  /// A graceful shutdown refuses new callers and waits for the connections in use; cancelling the task closes these too.
  /// - Throws: ``PostgresError`` of code `invalidConfiguration` for a connection string that cannot be parsed or a
  ///   limit that makes no sense, `closed` when called twice. A server that cannot be reached is no reason to end.
  public func run() async throws {
    try markRunning()
    let target: ConnectionTarget
    let reactor: Reactor
    do throws(PostgresError) {
      target = try configuration.validated()
      reactor = try Reactor.shared.get()
    } catch {
      state.withLockedValue { $0.lastFailure = error }
      terminate()
      throw error
    }
    let opener = SessionOpener(configuration: sessionConfiguration(target, reactor))
    // A task of its own, so that connections are closed in order even when this one is cancelled.
    let worker = Task { await self.work(opener) }
    await withTaskCancellationHandler {
      await withGracefulShutdownHandler {
        await worker.value
      } onGracefulShutdown: {
        self.shutDown()
      }
    } onCancel: {
      self.terminate()
    }
    let alarm = state.withLockedValue { state in
      defer { state.alarm = nil }
      return state.alarm
    }
    alarm?.close()
  }

  /// Does what the state machine asks for until it has finished.
  private func work(_ opener: SessionOpener) async {
    await withDiscardingTaskGroup { group in
      for await command in commands {
        switch command {
        case .open(let id):
          // Kept, so that a shutdown need not wait for a server that does not answer.
          let opening = Task { await self.open(id, with: opener) }
          let isWanted = state.withLockedValue { state in
            state.openings[id] = opening
            return state.machine.phase == .running
          }
          if !isWanted { opening.cancel() }
          group.addTask {
            await opening.value
            self.state.withLockedValue { _ = $0.openings.removeValue(forKey: id) }
          }
        case .close(let session):
          group.addTask {
            await session.close()
            self.logger.debug("PostgreSQL connection closed", metadata: ["pid": "\(session.backendPID)"])
          }
        }
      }
    }
  }

  private func markRunning() throws(PostgresError) {
    let isFirst = state.withLockedValue { state in
      defer { state.hasRun = true }
      return !state.hasRun
    }
    guard isFirst else {
      throw PostgresError(.closed, "run() was called twice on this pool: make another pool")
    }
  }

  private func open(_ id: PoolStateMachine.ConnectionID, with opener: SessionOpener) async {
    do throws(PostgresError) {
      let session = try await opener.open()
      logger.debug("PostgreSQL connection opened", metadata: ["pid": "\(session.backendPID)"])
      let effects = state.withLockedValue { state in
        state.sessions[id] = session
        state.lastFailure = nil
        return apply(
          state.machine.opened(id, lifetimeShare: Double.random(in: 0.9...1), now: .now), &state)
      }
      carryOut(effects)
    } catch {
      logger.debug("PostgreSQL connection failed", metadata: ["error": "\(error)"])
      let effects = state.withLockedValue { state in
        state.lastFailure = error
        return apply(
          state.machine.openingFailed(
            id, isPermanent: error.isPermanentConnectionFailure, jitter: Double.random(in: 0...1), now: .now), &state)
      }
      carryOut(effects)
    }
  }

  private func sessionConfiguration(_ target: ConnectionTarget, _ reactor: Reactor) -> SessionConfiguration {
    SessionConfiguration(
      connectionString: configuration.connectionString, target: target, role: configuration.role,
      applicationName: configuration.applicationName, connectTimeout: configuration.connectTimeout,
      cancelGrace: configuration.cancelGrace, directWait: configuration.directWait, users: users,
      preparesStatements: configuration.preparesStatements,
      maximumPreparedStatements: configuration.maximumPreparedStatements,
      maximumResultBytes: configuration.maximumResultBytes, reactor: reactor, threads: .shared,
      logger: logger)
  }
}
