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
    await keep {
      await self.commands.carryOut {
        self.state.withLockedValue { $0.machine.phase == .running }
      } open: { id in
        await self.open(id, with: opener)
      } closed: { session in
        self.logger.debug("PostgreSQL connection closed", metadata: ["pid": "\(session.backendPID)"])
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
