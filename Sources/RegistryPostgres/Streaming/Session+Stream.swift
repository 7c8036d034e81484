import CLibpq

extension Session {
  /// Sets a savepoint where a transaction stands open.
  /// - Returns: whether one was set.
  func setSavepoint() async throws(PostgresError) -> Bool {
    guard PQtransactionStatus(handle.pointer) == PQTRANS_INTRANS else { return false }
    try await command(OpenStream.savepoint)
    return true
  }

  /// Notes that a stream stands open from here on.
  func beginStream(hasSavepoint: Bool = false, statementName: String? = nil) -> OpenStream.Number {
    lastStream += 1
    stream = OpenStream(number: lastStream, hasSavepoint: hasSavepoint, statementName: statementName)
    return lastStream
  }

  /// Runs one step of the stream that stands open.
  /// - Throws: `closed` when the stream has ended, what ended it when it had failed, and what `body` throws.
  func performStep<Value: Sendable>(
    of number: OpenStream.Number, until deadline: ContinuousClock.Instant,
    _ body: () async throws(PostgresError) -> Value
  ) async throws(PostgresError) -> Value {
    guard let stream, stream.number == number else {
      throw PostgresError(.closed, "the stream is used after its closure ended; keep all work inside the closure")
    }
    if let failure = stream.failure { throw failure }
    if Task.isCancelled { throw PostgresError(.cancelled, "the task was cancelled in the middle of the stream") }
    if deadline <= .now { throw PostgresError(.timedOut, "the deadline passed in the middle of the stream") }
    return try await perform(until: deadline, stream: number, body)
  }

  /// Ends a stream from the server: what is still to come is cancelled and thrown away, within the grace period.
  ///
  /// In a transaction the work goes back to before the statement then, so that the transaction stays usable.
  func endStream(_ number: OpenStream.Number) async {
    guard let stream, stream.number == number else { return }
    do throws(PostgresError) {
      if handle.pointer != nil {
        try await performShielded(stream: number) { () async throws(PostgresError) in
          if !stream.isAtEnd { try await breakOff(isCopyingOut: stream.isCopyingOut) }
          guard stream.hasSavepoint else { return }
          switch PQtransactionStatus(handle.pointer) {
          case PQTRANS_INTRANS where stream.isAtEnd: try await command(OpenStream.release)
          // Whether or not the server was faster than its cancelling: what was left early is undone.
          case PQTRANS_INTRANS: try await command(OpenStream.rollBack)
          // A statement that failed by itself leaves the transaction failed, as any other does.
          case PQTRANS_INERROR where stream.failure == nil: try await command(OpenStream.rollBack)
          default: break
          }
        }
      }
    } catch {
      // Nobody can say in which state the conversation is.
      handle.finish()
    }
    if handle.isBroken { handle.finish() }
    if self.stream?.number == number { self.stream = nil }
  }

  /// Has the server stop sending, and reads to the end of the conversation.
  /// - Parameter isCopyingOut: whether COPY data is to come before the next result.
  /// - Throws: `closed`, and when the grace period was over first.
  func breakOff(isCopyingOut: Bool) async throws(PostgresError) {
    var rest = Rest(isCopyingOut: isCopyingOut)
    var wasAsked = interruption != nil
    // The rest may be there already; then there is nothing to cancel.
    if !takeWhatIsHere(&rest) {
      if !rest.hasFailed {
        await sendCancelRequest()
        wasAsked = true
      }
      var isAtEnd = false
      while !isAtEnd {
        if rest.isCopyingOut {
          while try await nextCopyData() != nil {}
        }
        let result = try await nextResult()
        isAtEnd = result == nil
        if let result { note(result, &rest) }
      }
    }
    // A request that came too late could hit the next statement.
    if wasAsked, !rest.wasCancelled { retire() }
  }

  /// How far the rest of a stream has been read.
  private struct Rest {
    /// Whether COPY data is to come before the next result.
    var isCopyingOut: Bool
    /// Whether the statement has failed, so that only the end of the conversation is still to come.
    var hasFailed = false
    /// Whether the server said that it was cancelled.
    var wasCancelled = false
  }

  private func note(_ result: PostgresResult, _ rest: inout Rest) {
    let status = PQresultStatus(result.pointer)
    rest.isCopyingOut = status == PGRES_COPY_OUT
    if status == PGRES_FATAL_ERROR { rest.hasFailed = true }
    if sqlState(of: result) == .queryCanceled { rest.wasCancelled = true }
  }

  /// Throws away what can be had without waiting.
  /// - Returns: whether that was the end of the conversation.
  private func takeWhatIsHere(_ rest: inout Rest) -> Bool {
    while true {
      while rest.isCopyingOut {
        switch takeCopyData() {
        case .data?: continue
        case .end?: rest.isCopyingOut = false
        case nil: return false
        }
      }
      guard PQisBusy(handle.pointer) == 0 else { return false }
      guard let result = PQgetResult(handle.pointer).map(PostgresResult.init) else { return true }
      note(result, &rest)
    }
  }

  func sqlState(of result: PostgresResult) -> SQLState? {
    PQresultErrorField(result.pointer, CInt(UInt8(ascii: "C"))).map { SQLState(String(cString: $0)) }
  }

  func command(_ text: String) async throws(PostgresError) {
    guard PQsendQuery(handle.pointer, text) == 1 else { throw sendFailure() }
    _ = try await collect()
  }
}
