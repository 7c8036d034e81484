public import Logging
public import ServiceLifecycle
import Synchronization

/// A connection on which the work of many concurrent callers travels together: one transaction, one sync, one commit.
///
/// What comes while a batch is under way is the next batch; there is no timer, and a lone caller goes out at once.
/// Results are handed out only once the COMMIT and the sync were answered. When a batch fails, it is rolled back and each
/// of its callers is run by itself, so that only the one at fault gets an error. Each caller's settings hold for its own
/// statements only.
///
/// Callers of one batch share a transaction: they see one `now()`, and each may see what its predecessors wrote, which
/// then commits with it. Statements that would end the transaction, change settings or hold the connection are refused;
/// such work belongs on a ``PostgresPool``. Creating a lane does no I/O; ``run()`` must run for as long as it is used.
public final class PostgresLane: PostgresExecutor, PostgresBatchExecutor, Service, ConnectionKeeper {
  /// What one caller gets: its share of a batch's results, or an error.
  enum Answer: Sendable {
    /// To a single statement.
    case result(PostgresResult)
    case results([PostgresResult])
    case failure(PostgresError)
  }

  struct State {
    var machine: LaneStateMachine
    var sessions: [LaneStateMachine.ConnectionID: Session] = [:]
    var fit = FitStatements()
    var lastFailure: PostgresError?
    var alarm: Alarm?
    var hasRun = false
  }

  /// The configuration the lane was made with.
  public let configuration: Configuration
  let logger: Logger
  let state: BriefLock<State>
  let nextCaller = Atomic<UInt64>(0)
  /// What the state machine says of ``LaneStateMachine/isLonely``, so that nobody locks to learn that he has company.
  let isLonely = Atomic<Bool>(false)
  let commands = ConnectionCommands<LaneStateMachine.ConnectionID>()

  /// Makes a lane; nothing is opened or checked before ``run()``.
  /// - Parameters:
  ///   - configuration: where to connect and the limits.
  ///   - logger: receives connections opened and closed and the server's notices, at debug.
  public init(configuration: Configuration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
    state = BriefLock(State(machine: LaneStateMachine(limits: configuration.limits)))
  }

  deinit {
    state.withLockedValue { $0.alarm }?.close()
  }

  /// Runs a lane for the length of a closure.
  /// - Parameters:
  ///   - configuration: where to connect and the limits.
  ///   - logger: as for ``init(configuration:logger:)``.
  ///   - isolation: the actor on which the closure runs; the caller's.
  ///   - body: the work. The lane is of no use after it.
  /// - Returns: what the body returned.
  /// - Throws: what the body threw; ``PostgresError`` of code `invalidConfiguration`.
  @discardableResult
  public static func withLane<Value>(
    _ configuration: Configuration, logger: Logger, isolation: isolated (any Actor)? = #isolation,
    _ body: (PostgresLane) async throws -> sending Value
  ) async throws -> sending Value {
    _ = try configuration.validated()
    return try await PostgresLane(configuration: configuration, logger: logger).kept(isolation: isolation, body)
  }

  /// Runs one statement, together with whoever else calls at the moment.
  /// - Parameters:
  ///   - statement: a SELECT, INSERT, UPDATE, DELETE, MERGE, WITH, VALUES or TABLE.
  ///   - deadline: when to give up, waiting included; `nil` takes the configuration's default.
  /// - Returns: the rows and the count of rows affected, once committed.
  /// - Throws: ``PostgresError`` as ``execute(_:isIdempotent:deadline:)``, without an index.
  nonisolated(nonsending) public func execute(
    _ statement: PostgresStatement, deadline: ContinuousClock.Instant?
  ) async throws -> PostgresResult {
    do throws(PostgresError) {
      let now = LaneInstant.now
      let demand = try LaneCaller.Demand(
        statement, preparesStatements: configuration.preparesStatements, isIdempotent: configuration.repeatsAfterLoss,
        deadline: deadline.map(LaneInstant.init) ?? now + configuration.defaultTimeout)
      switch await submit(makeCaller(demand, .statement(statement)), now: now) {
      case .result(let result): return result
      case .results:
        throw PostgresError(.protocolViolation, "the server answered more statements than were sent")
      case .failure(let error): throw error
      }
    } catch {
      var error = error
      error.statementIndex = nil
      throw error
    }
  }

  /// Runs a batch in one transaction with whoever else calls at the moment.
  /// - Parameters:
  ///   - batch: the settings and statements.
  ///   - deadline: when to give up, waiting included; `nil` takes the configuration's default.
  /// - Returns: one result per statement, once committed.
  /// - Throws: ``PostgresError`` as ``execute(_:isIdempotent:deadline:)``.
  nonisolated(nonsending) public func execute(_ batch: PostgresBatch, deadline: ContinuousClock.Instant?) async throws
    -> [PostgresResult]
  {
    try await execute(batch, isIdempotent: configuration.repeatsAfterLoss, deadline: deadline)
  }

  /// Runs a batch in one transaction with whoever else calls at the moment.
  /// - Parameters:
  ///   - batch: the settings and statements.
  ///   - isIdempotent: whether it may be repeated after a connection was lost with its outcome open.
  ///   - deadline: when to give up, waiting included; `nil` takes the configuration's default.
  /// - Returns: one result per statement, once committed.
  /// - Throws: ``PostgresError``: `server` with its SQLSTATE and the index of the caller's own statement; `unsupported`
  ///   for a statement that cannot share a transaction; `invalidParameter`; `queueFull`, `closed`, `connectionFailed`
  ///   when nothing was sent; `timedOut` and `cancelled`, which leave the neighbours alone and therefore say
  ///   ``PostgresError/mayHaveTakenEffect`` once the batch is under way; `connectionLost`, `outcomeUnknown`.
  nonisolated(nonsending) public func execute(
    _ batch: PostgresBatch, isIdempotent: Bool, deadline: ContinuousClock.Instant? = nil
  ) async throws -> [PostgresResult] {
    let now = LaneInstant.now
    let demand = try LaneCaller.Demand(
      batch, preparesStatements: configuration.preparesStatements, isIdempotent: isIdempotent,
      deadline: deadline.map(LaneInstant.init) ?? now + configuration.defaultTimeout)
    switch await submit(makeCaller(demand, .batch(batch)), now: now) {
    case .result(let result): return [result]
    case .results(let results): return results
    case .failure(let error): throw error
    }
  }

  /// Refuses new callers, serves those who wait, closes the connections; ``run()`` then returns.
  public func shutDown() {
    perform { $0.drain(now: .now) }
    cancelOpeningsIfOver()
  }

  /// Refuses everyone and ends what is under way.
  func terminate() {
    perform { $0.terminate() }
    cancelOpeningsIfOver()
  }

  /// Those who still wait while the lane drains may need a connection that is being opened.
  private func cancelOpeningsIfOver() {
    if state.withLockedValue({ $0.machine.phase == .finished }) { commands.cancelOpenings() }
  }

  func takeAlarm() -> Alarm? {
    state.withLockedValue { state in
      defer { state.alarm = nil }
      return state.alarm
    }
  }
}
