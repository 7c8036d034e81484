import CLibpq

/// A transaction in two legs: what can be done without letting go of the thread, and the rest.
///
/// Nobody's deadline or cancellation ends such a transaction, only ``Session/abandon(_:)``.
extension Session {
  /// How a transaction ended.
  struct Ended: Sendable {
    /// One result per statement, or what failed.
    var result: Result<[PostgresResult], PostgresError>
    /// Whether the connection is fit for the next one.
    var isReusable: Bool
    /// Whether the thread was held so long that others must have a turn.
    var isOverdrawn = false
  }

  /// Runs a transaction.
  /// - Parameters:
  ///   - transaction: the work of one or more callers.
  ///   - ticket: the number under which it can be abandoned.
  /// - Returns: how it ended.
  func execute(_ transaction: PipelinedTransaction, ticket: UInt64) async -> Ended {
    if let ended = begin(transaction, ticket: ticket) { return ended }
    return await finish()
  }

  /// Sends a transaction and reads its answer, if it comes while the thread may be held; does not suspend.
  /// - Returns: how it ended; `nil` where ``finish()`` must follow, whatever the reason.
  func begin(_ transaction: PipelinedTransaction, ticket: UInt64) -> Ended? {
    do throws(PostgresError) {
      try enter(until: nil, ticket: ticket, waiting: transaction.manner)
    } catch {
      return Ended(result: .failure(error), isReusable: isReusable)
    }
    do throws(PostgresError) {
      var sent = try send(transaction)
      try readDirectly(&sent)
      // What went wrong is seen to with the time that it takes.
      if sent.isRead, sent.error == nil, isAtRest { return left(.success(sent.results)) }
      begun = .success(sent)
    } catch {
      begun = .failure(error)
    }
    return nil
  }

  /// Goes on with what has begun, to its end.
  func finish() async -> Ended {
    guard let begun else {
      let error = PostgresError(.protocolViolation, "there is no transaction to finish")
      return Ended(result: .failure(error), isReusable: isReusable)
    }
    self.begun = nil
    do throws(PostgresError) {
      return left(.success(try await complete(begun)))
    } catch {
      return left(.failure(error))
    }
  }

  private func left(_ result: Result<[PostgresResult], PostgresError>) -> Ended {
    let result = leave(result)
    return Ended(result: result, isReusable: isReusable, isOverdrawn: directWait.isOverdrawn())
  }

  /// Reads what is there and what comes while the thread may be held, which is a few waits for the whole transaction: an
  /// answer that trickles in, or is large, must not keep its caller from its deadline for long.
  private func readDirectly(_ sent: inout SentTransaction) throws(PostgresError) {
    let connection = handle.pointer
    // Under TLS the socket does not tell whether there is more.
    guard PQflush(connection) == 0, PQsslInUse(connection) == 0 else { return }
    var hasWaited = false
    var end: ContinuousClock.Instant?
    while !sent.isRead {
      if PQisBusy(connection) == 1 {
        // Mostly the first wait is the only one, and ends by itself: it need not ask what time it is.
        if hasWaited, end == nil { end = .now + directWait.limit }
        hasWaited = true
        guard !isAbandoned, end.map({ .now < $0 }) ?? true, isAnsweredDirectly() else {
          directWait.manner = .never
          return
        }
        guard meter.read(from: handle) == 1, !isTooLarge else { return }
      } else {
        try take(PQgetResult(connection).map(PostgresResult.init), from: connection, &sent)
      }
    }
  }

  /// Leaves the pipeline where nothing stands open.
  private var isAtRest: Bool {
    interruption == nil && PQexitPipelineMode(handle.pointer) == 1
      && PQtransactionStatus(handle.pointer) == PQTRANS_IDLE
  }
}
