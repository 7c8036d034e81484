import CLibpq

extension Session {
  /// Commits the open transaction.
  /// - Throws: `rolledBack` when COMMIT was answered ROLLBACK; a lost connection leaves the outcome open.
  func commit(until deadline: ContinuousClock.Instant?) async throws(PostgresError) {
    guard PQtransactionStatus(handle.pointer) != PQTRANS_IDLE else {
      throw PostgresError(
        .protocolViolation, "a statement of the body ended the transaction; leave COMMIT and ROLLBACK to the closure")
    }
    let results: [PostgresResult]
    do throws(PostgresError) {
      results = try await executeScript("COMMIT", until: deadline)
    } catch {
      // Refused before it was sent, so the transaction still stands open: end it.
      _ = await abandonTransaction()
      throw error
    }
    guard let tag = results.last?.commandTag, tag == "COMMIT" else {
      throw PostgresError(
        .rolledBack,
        "COMMIT was answered ROLLBACK, because a statement of the transaction had failed before: let its "
          + "error leave the closure")
    }
  }

  /// Rolls back whatever stands open, whether or not the caller's task is cancelled; closes the connection where that
  /// fails.
  /// - Returns: what went wrong, where something did that the caller should know of.
  func abandonTransaction() async -> PostgresError? {
    guard handle.pointer != nil, !handle.isBroken else { return nil }
    guard PQtransactionStatus(handle.pointer) != PQTRANS_IDLE else { return nil }
    do throws(PostgresError) {
      try await performShielded { () async throws(PostgresError) in try await rollBack() }
      return nil
    } catch {
      handle.finish()
      return error
    }
  }
}
