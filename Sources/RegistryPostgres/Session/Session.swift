import CLibpq

/// One connection to PostgreSQL and the conversation on it, one operation at a time.
///
/// An operation that is cancelled or runs out of time asks the server to cancel, off this thread, and then reads on
/// until the conversation is at rest; past a grace period the connection is closed instead.
actor Session {
  var handle: LibpqHandle
  nonisolated let registration: Registration
  nonisolated let configuration: SessionConfiguration
  /// The server's process for this connection, as `pg_stat_activity.pid` shows it.
  nonisolated let backendPID: Int32
  var prepared: PreparedStatements
  /// The stream that stands open: between its steps nobody else may use the connection.
  var stream: OpenStream?
  var lastStream: OpenStream.Number = 0
  /// How much the present operation has read.
  var meter = ResultMeter()
  var buffer = ParameterBuffer()
  var directWait: DirectWait
  /// What ``begin(_:ticket:)`` has left to ``finish()``.
  var begun: Result<SentTransaction, PostgresError>?
  private var isBusy = false
  private var deadline: ContinuousClock.Instant?
  /// Set once the present operation has been given up: which code its caller will see.
  private(set) var interruption: PostgresError.Code?
  /// The same to the end of the operation: its later steps are not begun any more.
  private(set) var givenUp: PostgresError.Code?
  /// While set, waits end at this instant only and cancellation is not observed.
  private var shield: ContinuousClock.Instant?
  /// When the server is asked again to cancel, and how long after that once more: a request that comes before its
  /// statement is without effect (PostgreSQL manual, libpq, "Canceling Queries in Progress").
  private var nextCancel: (instant: ContinuousClock.Instant, pause: Duration)?
  private var mustBeClosed = false
  /// The number of the present operation, where it has one.
  private var ticket: UInt64?
  /// The last operation that nobody waits for any more.
  private var abandonedTicket: UInt64?

  init(
    _ connection: TransferredPointer, registration: Registration, notices: NoticeSink,
    configuration: SessionConfiguration
  ) {
    backendPID = PQbackendPID(connection.pointer)
    handle = LibpqHandle(connection.pointer, registration: registration, notices: notices)
    self.registration = registration
    self.configuration = configuration
    directWait = DirectWait(limit: configuration.directWait, users: configuration.users)
    prepared = PreparedStatements(
      limit: configuration.preparesStatements ? configuration.maximumPreparedStatements : 0)
  }

  /// Whether the server has said something, or hung up, while nothing was asked: then the connection is not worth
  /// keeping. Costs one system call.
  nonisolated var isStale: Bool { registration.isReadable }

  /// Whether the connection is at rest and outside any transaction, fit for the next user.
  var isReusable: Bool {
    handle.pointer != nil && !isBusy && stream == nil && !mustBeClosed
      && PQtransactionStatus(handle.pointer) == PQTRANS_IDLE
  }

  /// Closes the connection; an operation under way fails.
  func close() {
    handle.finish()
  }

  /// Lets the connection be used no more once the present operation is over.
  func retire() {
    mustBeClosed = true
  }

  /// Ends the operation of this number as a cancelled task ends its own, whether it runs or is still to begin; an
  /// operation that is over is not touched.
  func abandon(_ ticket: UInt64) {
    abandonedTicket = ticket
    if isAbandoned { registration.cancel() }
  }

  var isAbandoned: Bool { isBusy && ticket != nil && ticket == abandonedTicket }

  /// Runs one operation, or one step of the stream that stands open, under a deadline and the task's cancellation.
  func perform<Value: Sendable>(
    until deadline: ContinuousClock.Instant?, stream: OpenStream.Number? = nil,
    waiting manner: DirectWait.Manner = .awake,
    _ body: () async throws(PostgresError) -> Value
  ) async throws(PostgresError) -> Value {
    try enter(until: deadline, stream: stream, waiting: manner)
    let registration = registration
    var result: Result<Value, PostgresError> = await withTaskCancellationHandler {
      do throws(PostgresError) { return .success(try await body()) } catch { return .failure(error) }
    } onCancel: {
      registration.cancel()
    }
    result = leave(result)
    if directWait.isOverdrawn() { await Task.yield() }
    return try result.get()
  }

  /// Begins an operation; ``leave(_:)`` ends it.
  /// - Throws: `busy`, `connectionLost`, and `cancelled` or `timedOut` where it need not begin.
  func enter(
    until deadline: ContinuousClock.Instant?, ticket: UInt64? = nil, stream: OpenStream.Number? = nil,
    waiting manner: DirectWait.Manner
  ) throws(PostgresError) {
    guard !isBusy, self.stream?.number == stream else {
      throw PostgresError(
        .busy,
        "the connection is running a statement already: it runs one at a time, so await the first or take another "
          + "connection from the pool")
    }
    guard handle.pointer != nil else { throw Self.lost("the connection has been closed") }
    // An operation with a number is ended by ``abandon(_:)`` only.
    if ticket == nil, Task.isCancelled {
      throw PostgresError(.cancelled, "the task was cancelled before the statement was sent")
    }
    if let deadline, deadline <= .now {
      throw PostgresError(.timedOut, "the deadline passed before the statement was sent")
    }
    isBusy = true
    interruption = nil
    givenUp = nil
    shield = nil
    nextCancel = nil
    self.deadline = deadline
    self.ticket = ticket
    directWait.manner = manner
    handle.notices.reset()
    meter = ResultMeter()
  }

  /// Ends an operation.
  /// - Returns: its result, corrected where the notices say more.
  func leave<Value>(_ result: Result<Value, PostgresError>) -> Result<Value, PostgresError> {
    isBusy = false
    shield = nil
    nextCancel = nil
    directWait.manner = .never
    if handle.isBroken { handle.finish() }
    guard handle.notices.current.contains(.unreplicatedCommit) else { return result }
    var error = PostgresError(
      .outcomeUnknown, "the commit stands on this server but may not have reached its synchronous standby")
    error.mayHaveTakenEffect = true
    return .failure(error)
  }

  /// Runs one operation that the caller's cancellation does not stop, within the grace period.
  func performShielded(
    stream: OpenStream.Number? = nil, _ body: () async throws(PostgresError) -> Void
  ) async throws(PostgresError) {
    guard !isBusy, self.stream?.number == stream else {
      throw PostgresError(.busy, "the transaction's closure ended while a statement of it was still running")
    }
    isBusy = true
    interruption = nil
    givenUp = nil
    nextCancel = nil
    ticket = nil
    defer {
      isBusy = false
      shield = nil
    }
    shield = .now + configuration.cancelGrace
    try await body()
  }

  /// Runs work that must be finished even for a caller that gave up, such as ROLLBACK, within the grace period.
  func shielded<Value: Sendable>(
    _ body: () async throws(PostgresError) -> Value
  ) async throws(PostgresError) -> Value {
    let outer = shield
    defer { shield = outer }
    nextCancel = nil
    if shield == nil { shield = .now + configuration.cancelGrace }
    return try await body()
  }

  /// Called between the steps of one operation: what was given up is not gone on with.
  /// - Throws: `cancelled` or `timedOut`, with the proof that the next step was not sent.
  func goOn() throws(PostgresError) {
    switch givenUp {
    case nil: return
    case .cancelled?: throw PostgresError(.cancelled, "the task was cancelled before the statement was sent")
    default: throw PostgresError(.timedOut, "the deadline passed before the statement was sent")
    }
  }

  /// Sends what libpq has buffered, reading as well, since the server may stop reading until it is read from.
  func flush() async throws(PostgresError) {
    while PQflush(handle.pointer) == 1 {
      try await waitForSocket([.read, .write])
      if PQconsumeInput(handle.pointer) == 0 { return }
    }
    // A failure to write shows when the results are read, after what the server may have said before it hung up.
  }

  /// The next result of the conversation; `nil` where libpq marks the end of a statement's results.
  func nextResult() async throws(PostgresError) -> PostgresResult? {
    while PQisBusy(handle.pointer) == 1 {
      // Decrypted bytes may sit inside the TLS library, where the reactor cannot see them.
      if PQsslInUse(handle.pointer) == 1 {
        // One read takes as much as libpq has room for, which may be the end of one record and the beginning of the next.
        var isDrained = false
        while !isDrained {
          isDrained = PQconsumeInput(handle.pointer) == 0 || registry_tls_pending(handle.pointer) <= 0
        }
        if PQisBusy(handle.pointer) == 0 { break }
      }
      try await waitForSocket(.read)
      // On a loss libpq still hands out what the server said before it.
      if meter.read(from: handle) == 0 { break }
      if isTooLarge, shield == nil { await giveUp(.resultTooLarge) }
    }
    return PQgetResult(handle.pointer).map(PostgresResult.init)
  }

  /// Whether the present operation has read more than it may gather in memory.
  var isTooLarge: Bool { configuration.maximumResultBytes.map { meter.bytes > $0 } ?? false }

  /// Waits for something to read on the present thread, as far as that is allowed now.
  func isAnsweredDirectly() -> Bool {
    guard let time = directWait.begin() else { return false }
    let ending = registration.waitDirectly(lookingFor: time, limit: directWait.limit)
    directWait.end(ending, lookedFor: time)
    return ending != .unanswered
  }

  /// Waits for the socket; asks the server to cancel when the time is over or the caller has gone, and again while it
  /// does not answer.
  func waitForSocket(_ interest: Interest) async throws(PostgresError) {
    if interest == .read, isAnsweredDirectly() { return }
    directWait.letGo()
    let end = shield.map { shield in nextCancel.map { min($0.instant, shield) } ?? shield } ?? deadline
    let wakeup =
      isAbandoned && shield == nil
      ? .cancelled
      : await registration.wait(for: interest, until: end, observingCancellation: shield == nil)
    switch wakeup {
    case .ready:
      return
    case .closed:
      var error = PostgresError(.closed, "the pool closed the connection while the statement ran")
      error.mayHaveTakenEffect = true
      throw error
    case .timedOut, .cancelled:
      if let shield {
        if let again = nextCancel, again.instant < shield { return await askToCancel(pause: again.pause * 2) }
        handle.finish()
        var error = interrupted(
          "and the server did not end it within \(configuration.cancelGrace), so the connection was closed")
        error.mayHaveTakenEffect = true
        throw error
      }
      await giveUp(wakeup == .cancelled ? .cancelled : .timedOut)
    }
  }

  /// Has the server cancel the operation, of which only the end is waited for from here on.
  private func giveUp(_ reason: PostgresError.Code) async {
    interruption = reason
    givenUp = reason
    shield = .now + configuration.cancelGrace
    await askToCancel(pause: .milliseconds(100))
  }

  private func askToCancel(pause: Duration) async {
    await sendCancelRequest()
    nextCancel = (.now + pause, pause)
  }

  /// Asks the server to cancel, over a connection of its own, which blocks and so happens on another thread.
  func sendCancelRequest() async {
    guard let shield, let request = PQgetCancel(handle.pointer).map(TransferredPointer.init) else { return }
    let sent: Void? = await configuration.threads.run(
      until: shield, reactor: configuration.reactor, observingCancellation: false
    ) {
      withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
        _ = PQcancel(request.pointer, buffer.baseAddress, CInt(buffer.count))
      }
      PQfreeCancel(request.pointer)
    } dispose: { _ in
    }
    // A request still on its way could hit the next statement.
    if sent == nil { mustBeClosed = true }
  }

  /// What the caller of a given-up operation is told.
  func interrupted(_ ending: String) -> PostgresError {
    switch interruption {
    case .cancelled?: PostgresError(.cancelled, "the task was cancelled while the statement ran, \(ending)")
    case .resultTooLarge?:
      PostgresError(
        .resultTooLarge,
        "the result is larger than maximumResultBytes (\(configuration.maximumResultBytes ?? 0)), \(ending): stream it "
          + "with withRows, which needs no more memory than a row, or ask for fewer rows")
    case .timedOut?: PostgresError(.timedOut, "the deadline passed while the statement ran, \(ending)")
    default: PostgresError(.connectionLost, "the server did not answer, \(ending)")
    }
  }

  /// Turns the first error of an operation into what the caller sees.
  /// - Parameters:
  ///   - result: the result that reports the error.
  ///   - mayHaveCommitted: whether a lost connection leaves the outcome open.
  /// - Returns: the error.
  func failure(_ result: PostgresResult, mayHaveCommitted: Bool) -> PostgresError {
    // The server's last word is read before the end of the stream is.
    let isLost = handle.isBroken || result.endsSession
    var error = PostgresError.reported(by: result.pointer, isConnectionLost: isLost)
    if isLost {
      error.mayHaveTakenEffect = mayHaveCommitted
    } else if interruption != nil, error.sqlState == .queryCanceled {
      var interrupted = interrupted("and the server cancelled it")
      interrupted.sqlState = error.sqlState
      return interrupted
    }
    return error
  }

  /// Called when an operation ended: a cancel request that did not cancel it could still hit the next statement.
  func settle(wasCancelledByServer: Bool) {
    if interruption != nil, !wasCancelledByServer { mustBeClosed = true }
    interruption = nil
  }

  /// What libpq says when it refuses to send.
  func sendFailure() -> PostgresError {
    let text = PQerrorMessage(handle.pointer).map { String(cString: $0) } ?? ""
    if handle.isBroken { return Self.lost("the connection was lost before the statement was sent") }
    return PostgresError(.protocolViolation, "libpq refused to send: \(text.trimmed.oneLine)")
  }

  static func lost(_ message: String) -> PostgresError {
    PostgresError(.connectionLost, "\(message); the pool opens another")
  }
}
