import CLibpq

extension Session {
  /// What libpq had of COPY data.
  enum CopyData {
    case data([UInt8])
    /// All data was had; results follow.
    case end
  }

  /// How many bytes of COPY data are handed out together, unless a single message is larger.
  private static let copyBatchBytes = 64 << 10

  /// Sends a COPY … TO STDOUT and reads up to where its data begins.
  func openCopyOut(
    _ text: String, until deadline: ContinuousClock.Instant
  ) async throws(PostgresError) -> (number: OpenStream.Number, columnCount: Int, isBinary: Bool) {
    try checkCopy(text)
    return try await perform(until: deadline) {
      () async throws(PostgresError) -> (number: OpenStream.Number, columnCount: Int, isBinary: Bool) in
      let hasSavepoint = try await setSavepoint()
      let start = try await startCopy(text)
      guard PQresultStatus(start.pointer) == PGRES_COPY_OUT else {
        try await refuseCopyIn()
        throw PostgresError(
          .unsupported, "copyOut runs COPY … TO STDOUT; this one reads data from the client: run it with copyIn")
      }
      let number = beginStream(hasSavepoint: hasSavepoint)
      stream?.isCopyingOut = true
      return (number, Int(PQnfields(start.pointer)), PQbinaryTuples(start.pointer) == 1)
    }
  }

  /// Takes what has come of the COPY data, waiting for some only when there is none.
  /// - Returns: one element per message of the server; none at the end.
  func nextCopyChunks(
    _ number: OpenStream.Number, until deadline: ContinuousClock.Instant
  ) async throws(PostgresError) -> [[UInt8]] {
    if stream?.number == number, stream?.isAtEnd == true, stream?.failure == nil { return [] }
    return try await performStep(of: number, until: deadline) { () async throws(PostgresError) -> [[UInt8]] in
      var chunks: [[UInt8]] = []
      var byteCount = 0
      while byteCount < Self.copyBatchBytes {
        let chunk: [UInt8]?
        switch takeCopyData() {
        case .data(let bytes)?: chunk = bytes
        case .end?: chunk = nil
        case nil:
          if !chunks.isEmpty, interruption == nil { return chunks }
          chunk = try await nextCopyData()
        }
        guard let chunk else {
          stream?.isCopyingOut = false
          await readEnd()
          if chunks.isEmpty, let failure = stream?.failure { throw failure }
          return chunks
        }
        // What comes after a cancel request is read only to be rid of it.
        guard interruption == nil else { continue }
        byteCount += chunk.count
        chunks.append(chunk)
      }
      return chunks
    }
  }

  /// Reads the results that follow the data, and keeps what failed for whoever asks next.
  private func readEnd() async {
    let isInterrupted = interruption != nil
    do throws(PostgresError) {
      _ = try await collect()
      if isInterrupted { stream?.failure = interrupted("and the server had sent everything by then") }
    } catch {
      stream?.failure = error
    }
    stream?.isAtEnd = true
  }

  /// The next message of COPY data; `nil` at its end.
  func nextCopyData() async throws(PostgresError) -> [UInt8]? {
    var mayHoldMore = PQsslInUse(handle.pointer) == 1
    while true {
      switch takeCopyData() {
      case .data(let bytes)?: return bytes
      case .end?: return nil
      case nil: break
      }
      // On a loss the results say what the server said before it.
      if handle.isBroken { return nil }
      // Decrypted bytes may sit inside the TLS library, where the reactor cannot see them.
      if !mayHoldMore { try await waitForSocket(.read) }
      _ = PQconsumeInput(handle.pointer)
      let held = registry_tls_pending(handle.pointer)
      mayHoldMore = held > 0 || held < 0 && !mayHoldMore
    }
  }

  /// Takes one message of COPY data, where one is there.
  func takeCopyData() -> CopyData? {
    var start: UnsafeMutablePointer<CChar>?
    let count = PQgetCopyData(handle.pointer, &start, 1)
    defer { if let start { PQfreemem(start) } }
    if count < 0 { return .end }
    guard count > 0 else { return nil }
    return .data(Array(UnsafeRawBufferPointer(start: start, count: Int(count))))
  }
}
