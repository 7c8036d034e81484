import CLibpq

extension Session {
  /// Checks that a text is a COPY, before anything of it is sent: any other statement would have run by the time the
  /// server says that it is none.
  func checkCopy(_ text: String) throws(PostgresError) {
    _ = try PostgresStatement(text).checkedByteCount()
    guard CopyStatement.isCopy(text) else {
      throw PostgresError(
        .unsupported, "this text does not begin with COPY; only COPY … FROM STDIN and COPY … TO STDOUT are streamed")
    }
  }

  /// Sends a COPY and reads the answer that says which way the data goes.
  ///
  /// In the extended protocol, where the server refuses a second statement in the same text.
  func startCopy(_ text: String) async throws(PostgresError) -> PostgresResult {
    try goOn()
    guard PQsendQueryParams(handle.pointer, text, 0, nil, nil, nil, nil, 0) == 1 else { throw sendFailure() }
    try await flush()
    guard let start = try await nextResult() else {
      var error = Self.lost("the connection was lost before the COPY began")
      error.mayHaveTakenEffect = false
      throw error
    }
    switch PQresultStatus(start.pointer) {
    case PGRES_COPY_IN, PGRES_COPY_OUT:
      // Too late to be given up in an orderly way by the wait itself.
      guard interruption == nil else {
        if PQresultStatus(start.pointer) == PGRES_COPY_IN {
          try await refuseCopyIn()
        } else {
          try await refuseCopyOut()
        }
        throw interrupted("and nothing was copied")
      }
      return start
    case PGRES_COMMAND_OK, PGRES_EMPTY_QUERY, PGRES_TUPLES_OK:
      while try await nextResult() != nil {}
      var error = PostgresError(
        .unsupported,
        "the server copied by itself, from or to a file or a program of its own: run such a COPY with execute")
      error.mayHaveTakenEffect = true
      settle(wasCancelledByServer: false)
      throw error
    default:
      // A server that ends the session says so first and hangs up then.
      while try await nextResult() != nil {}
      let error = failure(start, mayHaveCommitted: false)
      settle(wasCancelledByServer: error.sqlState == .queryCanceled)
      throw error
    }
  }

  /// Ends a COPY that waits for data nobody will send.
  func refuseCopyIn() async throws(PostgresError) {
    guard PQputCopyEnd(handle.pointer, "the client does not send data") == 1 else { throw sendFailure() }
    _ = try? await collect()
  }

  /// Ends a COPY whose data nobody wants.
  func refuseCopyOut() async throws(PostgresError) {
    try await shielded { () async throws(PostgresError) in try await breakOff(isCopyingOut: true) }
  }
}
