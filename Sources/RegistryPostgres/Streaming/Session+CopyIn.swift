import CLibpq

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

extension Session {
  /// What fits into one of libpq's blocks of 8 KiB, so that each message leaves at once and libpq's buffer never grows.
  private static let copyMessageBytes = 8192 - 5

  /// Sends a COPY … FROM STDIN and reads up to where the server waits for data.
  func openCopyIn(
    _ text: String, until deadline: ContinuousClock.Instant
  ) async throws(PostgresError) -> (number: OpenStream.Number, columnCount: Int, isBinary: Bool) {
    try checkCopy(text)
    return try await perform(until: deadline) {
      () async throws(PostgresError) -> (number: OpenStream.Number, columnCount: Int, isBinary: Bool) in
      let start = try await startCopy(text)
      guard PQresultStatus(start.pointer) == PGRES_COPY_IN else {
        try await refuseCopyOut()
        throw PostgresError(
          .unsupported, "copyIn runs COPY … FROM STDIN; this one sends data to the client: run it with copyOut")
      }
      return (beginStream(), Int(PQnfields(start.pointer)), PQbinaryTuples(start.pointer) == 1)
    }
  }

  /// Sends COPY data, as fast as the server takes it.
  /// - Throws: what the server found wrong with earlier data, as soon as it says so.
  func sendCopyData(
    _ number: OpenStream.Number, _ bytes: [UInt8], until deadline: ContinuousClock.Instant
  ) async throws(PostgresError) {
    try await performStep(of: number, until: deadline) { () async throws(PostgresError) in
      try await send(bytes)
    }
  }

  /// Ends the data, so that the rows stand.
  /// - Returns: how many rows the server counted.
  func finishCopyIn(
    _ number: OpenStream.Number, _ rest: [UInt8], until deadline: ContinuousClock.Instant
  ) async throws(PostgresError) -> Int {
    try await performStep(of: number, until: deadline) { () async throws(PostgresError) -> Int in
      try await send(rest)
      _ = try await waitUntilWritable()
      if interruption != nil { throw await giveUpCopy() }
      guard PQputCopyEnd(handle.pointer, nil) == 1 else { throw sendFailure() }
      stream?.isAtEnd = true
      let results = try await collect()
      stream = nil
      return results.last?.affectedRows ?? 0
    }
  }

  /// Ends a COPY of which nothing shall stand; what was sent is undone by the server.
  func abandonCopyIn(_ number: OpenStream.Number) async {
    guard let stream, stream.number == number else { return }
    if !stream.isAtEnd, handle.pointer != nil {
      do throws(PostgresError) {
        // A server that waits for a lock hears of the end only once it is asked to cancel.
        try await perform(until: .now + configuration.cancelGrace / 2, stream: number) {
          () async throws(PostgresError) in _ = await giveUpCopy()
        }
      } catch {
        handle.finish()
      }
    }
    if self.stream?.number == number { self.stream = nil }
  }

  private func send(_ bytes: [UInt8]) async throws(PostgresError) {
    var offset = 0
    while offset < bytes.count {
      let isRefused = try await waitUntilWritable()
      if isRefused || interruption != nil { throw await giveUpCopy() }
      let count = min(bytes.count - offset, Self.copyMessageBytes)
      let isTaken = bytes.withUnsafeBytes { bytes in
        PQputCopyData(
          handle.pointer, bytes.baseAddress.map { ($0 + offset).assumingMemoryBound(to: CChar.self) }, CInt(count))
      }
      guard isTaken == 1 else { throw await giveUpCopy() }
      offset += count
    }
  }

  /// Waits until the socket takes a message as a whole.
  ///
  /// Only then is libpq let near it: where it cannot send it reads instead, and what it has read cannot be looked at.
  /// - Returns: whether the server has refused the COPY or hung up.
  private func waitUntilWritable() async throws(PostgresError) -> Bool {
    while true {
      var entry = pollfd(fd: PQsocket(handle.pointer), events: Int16(POLLIN | POLLOUT), revents: 0)
      guard poll(&entry, 1, 0) >= 0 || errno == EINTR else { return true }
      let events = CInt(entry.revents)
      if events & (POLLIN | POLLHUP | POLLERR | POLLNVAL) != 0, isRefused() { return true }
      if events & POLLOUT != 0, PQflush(handle.pointer) == 0 { return false }
      try await waitForSocket([.read, .write])
    }
  }

  /// Looks at what the server has said: notices are taken in, a report of an error is found without reading it.
  ///
  /// Notices are taken from the socket by their exact length. libpq would read whatever has come in the meantime, and a
  /// report among that could not be looked for any more.
  private func isRefused() -> Bool {
    if PQsslInUse(handle.pointer) == 0, PQgssEncInUse(handle.pointer) == 0 {
      let isRefused = withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 1) { lookAtSocket($0) }
      if let isRefused { return isRefused }
    }
    guard PQconsumeInput(handle.pointer) == 1 else { return true }
    // Hands notices to their receiver.
    _ = PQisBusy(handle.pointer)
    return false
  }

  /// Looks for the report of an error in the socket, and takes notices out of it.
  /// - Returns: whether there is one, or the stream has ended; `nil` where libpq must read to go on.
  private func lookAtSocket(_ buffer: UnsafeMutableRawBufferPointer) -> Bool? {
    let socket = PQsocket(handle.pointer)
    /// Takes bytes that are there away, and remembers how many are still to come.
    /// - Returns: whether the stream goes on.
    func discard(_ byteCount: Int) -> Bool {
      var rest = byteCount
      var count = 1
      while rest > 0, count > 0 {
        count = recv(socket, buffer.baseAddress, min(rest, buffer.count), 0)
        rest -= max(count, 0)
      }
      stream?.noticeRest = rest
      return count != 0
    }
    if let rest = stream?.noticeRest, rest > 0 {
      guard discard(rest) else { return true }
      if let rest = stream?.noticeRest, rest > 0 { return false }
    }
    let count = recv(socket, buffer.baseAddress, buffer.count, CInt(MSG_PEEK))
    guard count > 0 else { return count == 0 }
    let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
    if ErrorReport.isIn(bytes) { return true }
    guard let notices = ErrorReport.notices(in: bytes, capacity: buffer.count) else { return nil }
    for notice in notices {
      handle.notices.receive { notice.fields[$0] }
      guard discard(notice.byteCount) else { return true }
    }
    return false
  }

  /// Tells the server that the COPY has failed, and reads to the end of the conversation.
  /// - Returns: what the server says was wrong.
  private func giveUpCopy() async -> PostgresError {
    var failure: PostgresError
    do throws(PostgresError) {
      guard PQputCopyEnd(handle.pointer, "the client gave up") == 1 else { throw sendFailure() }
      _ = try await collect()
      failure = PostgresError(.protocolViolation, "the server went on with a COPY that was given up")
      handle.finish()
    } catch {
      failure = error
    }
    if failure.code == .server || failure.code == .connectionLost { failure.mayHaveTakenEffect = false }
    stream?.failure = failure
    stream?.isAtEnd = true
    return failure
  }
}
