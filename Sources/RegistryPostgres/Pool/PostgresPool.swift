public import Logging
import NIOConcurrencyHelpers
public import ServiceLifecycle
import Synchronization

/// Connections to one PostgreSQL, lent to callers in the order of their coming.
///
/// Creating a pool does no I/O. ``run()`` must run for as long as the pool is used, as a service of a `ServiceGroup` or
/// inside ``withPool(_:logger:isolation:_:)``: it opens and closes the connections, and until it runs callers wait
/// under their deadlines.
///
/// ```swift
/// try await PostgresPool.withPool(.init("postgres:///registry"), logger: logger) { pool in
///   let result = try await pool.execute("SELECT 1 AS one")
/// }
/// ```
public final class PostgresPool: PostgresExecutor, PostgresBatchExecutor, Service, ConnectionKeeper {
  typealias Lent = (id: PoolStateMachine.ConnectionID, session: Session)

  struct State {
    var machine: PoolStateMachine
    var sessions: [PoolStateMachine.ConnectionID: Session] = [:]
    var waiters: [PoolStateMachine.WaiterID: CheckedContinuation<Result<Lent, PostgresError>, Never>] = [:]
    var nextWaiter: PoolStateMachine.WaiterID = 1
    var lastFailure: PostgresError?
    var alarm: Alarm?
    var hasRun = false
  }

  /// The configuration the pool was made with.
  public let configuration: Configuration
  let logger: Logger
  let state: NIOLockedValueBox<State>
  let users = DirectWait.Users()
  /// Orders what was done for a waiter before what he does next. The runtime does so too, but tells ThreadSanitizer
  /// only where the task had come to wait before it was resumed.
  let handedOver = Atomic<UInt64>(0)
  let commands = ConnectionCommands<PoolStateMachine.ConnectionID>()

  /// Makes a pool; nothing is opened or checked before ``run()``.
  /// - Parameters:
  ///   - configuration: where to connect and the limits.
  ///   - logger: receives connections opened and closed and the server's notices, at debug.
  public init(configuration: Configuration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
    state = NIOLockedValueBox(
      State(
        machine: PoolStateMachine(
          limits: .init(
            maximumConnections: max(1, configuration.maximumConnections), maximumWaiting: configuration.maximumWaiting,
            maximumLifetime: configuration.maximumLifetime, maximumIdleTime: configuration.maximumIdleTime,
            outageTolerance: configuration.outageTolerance))))
  }

  deinit {
    state.withLockedValue { $0.alarm }?.close()
  }

  /// Runs a pool for the length of a closure and closes its connections afterwards.
  /// - Parameters:
  ///   - configuration: where to connect and the limits.
  ///   - logger: as for ``init(configuration:logger:)``.
  ///   - isolation: the actor on which the closure runs; the caller's.
  ///   - body: the work. The pool is of no use after it.
  /// - Returns: what the body returned.
  /// - Throws: what the body threw; ``PostgresError`` of code `invalidConfiguration`.
  @discardableResult
  public static func withPool<Value>(
    _ configuration: Configuration, logger: Logger, isolation: isolated (any Actor)? = #isolation,
    _ body: (PostgresPool) async throws -> sending Value
  ) async throws -> sending Value {
    _ = try configuration.validated()
    return try await PostgresPool(configuration: configuration, logger: logger).kept(isolation: isolation, body)
  }

  /// Runs one statement on whichever connection is free.
  /// - Parameters:
  ///   - statement: the statement and its parameters; prepared once per connection when it has a name.
  ///   - deadline: when to give up, the wait for a connection included; `nil` takes the configuration's default.
  /// - Returns: the rows and the count of rows affected.
  /// - Throws: ``PostgresError``: `queueFull`, `timedOut`, `cancelled`, `connectionFailed`, `connectionLost`, `closed`,
  ///   `invalidParameter`, or `server` with its SQLSTATE.
  public func execute(
    _ statement: PostgresStatement, deadline: ContinuousClock.Instant?
  ) async throws -> PostgresResult {
    let deadline = deadline ?? .now + configuration.defaultTimeout
    let lent = try await borrow(until: deadline)
    do {
      let result = try await lent.session.execute(statement, until: deadline)
      await giveBack(lent)
      return result
    } catch {
      await giveBack(lent)
      throw error
    }
  }

  /// Runs a batch as one transaction in one round trip, on whichever connection is free.
  /// - Parameters:
  ///   - batch: the settings and statements.
  ///   - deadline: when to give up, the wait for a connection included; `nil` takes the configuration's default.
  /// - Returns: one result per statement of the batch.
  /// - Throws: ``PostgresError`` as ``execute(_:deadline:)``, with the index of the statement that failed, and
  ///   `rolledBack` when COMMIT was answered ROLLBACK.
  public func execute(_ batch: PostgresBatch, deadline: ContinuousClock.Instant?) async throws -> [PostgresResult] {
    let deadline = deadline ?? .now + configuration.defaultTimeout
    let lent = try await borrow(until: deadline)
    do {
      let results = try await lent.session.execute(batch, until: deadline)
      await giveBack(lent)
      return results
    } catch {
      await giveBack(lent)
      throw error
    }
  }

  /// Lends a connection for the length of a closure.
  /// - Parameters:
  ///   - deadline: for the wait for a connection; `nil` takes the configuration's default. Statements of the closure
  ///     have deadlines of their own.
  ///   - isolation: the actor on which the closure runs; the caller's.
  ///   - body: the work. The connection is refused after it.
  /// - Returns: what the body returned.
  /// - Throws: what the body threw; ``PostgresError`` when no connection could be had.
  @discardableResult
  public func withConnection<Value>(
    deadline: ContinuousClock.Instant? = nil, isolation: isolated (any Actor)? = #isolation,
    _ body: (PostgresConnection) async throws -> sending Value
  ) async throws -> sending Value {
    let lent = try await borrow(until: deadline ?? .now + configuration.defaultTimeout)
    let connection = PostgresConnection(session: lent.session, defaultTimeout: configuration.defaultTimeout)
    do {
      let value = try await body(connection)
      connection.endLease()
      await giveBack(lent)
      return value
    } catch {
      connection.endLease()
      await giveBack(lent)
      throw error
    }
  }

  /// Runs a closure inside a transaction: COMMIT when it returns, ROLLBACK when it throws.
  /// - Parameters:
  ///   - settings: what `SET LOCAL` sets first, in the same round trip as BEGIN.
  ///   - level: the isolation level and access mode; by default the server's own.
  ///   - deadline: for the wait for a connection, for BEGIN and COMMIT, and for each statement that names none of its
  ///     own; `nil` takes the configuration's default for each.
  ///   - isolation: the actor on which the closure runs; the caller's.
  ///   - body: the work. The transaction is refused after it.
  /// - Returns: what the body returned, once the COMMIT was answered.
  /// - Throws: as ``PostgresConnection/withTransaction(settings:level:deadline:isolation:_:)``, and ``PostgresError``
  ///   when no connection could be had.
  @discardableResult
  public func withTransaction<Value>(
    settings: [PostgresBatch.Setting] = [], level: PostgresIsolation = .serverDefault,
    deadline: ContinuousClock.Instant? = nil, isolation: isolated (any Actor)? = #isolation,
    _ body: (PostgresTransaction) async throws -> sending Value
  ) async throws -> sending Value {
    try await withConnection(deadline: deadline, isolation: isolation) { connection in
      try await connection.withTransaction(
        settings: settings, level: level, deadline: deadline, isolation: isolation, body)
    }
  }

  /// Refuses new callers, waits for the connections in use and closes them all; ``run()`` then returns.
  public func shutDown() {
    perform { $0.drain() }
    commands.cancelOpenings()
  }

  /// As ``shutDown()``, closing the connections in use as well.
  func terminate() {
    perform { $0.terminate() }
    commands.cancelOpenings()
  }

  func takeAlarm() -> Alarm? {
    state.withLockedValue { state in
      defer { state.alarm = nil }
      return state.alarm
    }
  }
}
