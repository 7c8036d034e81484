import NIOConcurrencyHelpers

/// Writes the data of a COPY … FROM STDIN.
///
/// What is written is gathered and sent in pieces of 64 KiB; a write returns once all but the last piece was taken by
/// the connection, so a server that takes its time makes the writer wait and memory stays constant. To be used by one
/// task at a time, and only inside the closure it was given to.
public final class PostgresCopyWriter: Sendable {
  private struct State {
    var buffer: [UInt8] = []
    var isOpen = true
    var isSending = false
  }

  /// How many bytes are gathered before they are sent.
  private static let pieceBytes = 64 << 10

  private let scope: StreamScope
  private let number: OpenStream.Number
  private let state = NIOLockedValueBox(State())
  /// How many columns the server expects in each row.
  public let columnCount: Int
  /// Whether the server expects COPY's binary format.
  public let isBinary: Bool

  init(scope: StreamScope, number: OpenStream.Number, columnCount: Int, isBinary: Bool) {
    self.scope = scope
    self.number = number
    self.columnCount = columnCount
    self.isBinary = isBinary
  }

  /// Writes bytes as they are, in the format that the statement names; they need not end where a row does.
  /// - Parameter bytes: the bytes, of any length.
  /// - Throws: ``PostgresError``: `server` with its SQLSTATE as soon as the server has refused earlier data; `timedOut`,
  ///   `cancelled`, `connectionLost`; `busy` for two tasks that write at the same time; `closed` after the closure.
  public func write(_ bytes: some Collection<UInt8> & Sendable) async throws {
    var rest = bytes[...]
    repeat {
      let piece = try append { buffer in
        let taken = rest.prefix(Swift.max(Self.pieceBytes - buffer.count, 1))
        buffer.append(contentsOf: taken)
        rest = rest[taken.endIndex...]
      }
      if let piece { try await send(piece) }
    } while !rest.isEmpty
  }

  /// Writes text as it is.
  /// - Parameter text: whole rows or parts of them, in the format that the statement names.
  /// - Throws: ``PostgresError``, as for bytes.
  public func write(_ text: String) async throws {
    try await write(text.utf8)
  }

  /// Writes one row in COPY's text format with its default delimiter and NULL, escaping what must be.
  ///
  /// The statement must not name another format, delimiter or null string: `COPY item (id, name) FROM STDIN`.
  /// - Parameter values: one for each column of the statement, in its order; bytes go to a bytea.
  /// - Throws: ``PostgresError`` of code `invalidParameter` when the count is wrong or text holds a NUL character, of
  ///   which nothing is written then; `unsupported` for a COPY in binary format; otherwise as for bytes.
  public func writeRow(_ values: [PostgresParameter]) async throws {
    guard !isBinary else {
      throw PostgresError(
        .unsupported, "rows are written in COPY's text format, and this COPY is binary: leave WITH (FORMAT binary) out")
    }
    guard values.count == columnCount else {
      throw PostgresError(
        .invalidParameter, "a row of \(values.count) values was written where the COPY has \(columnCount) columns")
    }
    if let piece = try append({ buffer throws(PostgresError) in try CopyText.append(values, to: &buffer) }) {
      try await send(piece)
    }
  }

  /// Refuses every further use.
  /// - Returns: what was gathered and not sent yet.
  func close() throws(PostgresError) -> [UInt8] {
    let (rest, isSending) = state.withLockedValue { state in
      defer {
        state.isOpen = false
        state.buffer = []
      }
      return (state.buffer, state.isSending)
    }
    guard !isSending else { throw Self.usedByTwo }
    return rest
  }

  /// Gathers bytes.
  /// - Returns: a piece to send, once there is enough.
  private func append(_ body: (inout [UInt8]) throws(PostgresError) -> Void) throws(PostgresError) -> [UInt8]? {
    let result = state.withLockedValue { state -> Result<[UInt8]?, PostgresError> in
      guard state.isOpen else {
        return .failure(
          PostgresError(.closed, "the writer is used after its closure ended; keep all work inside the closure"))
      }
      guard !state.isSending else { return .failure(Self.usedByTwo) }
      do throws(PostgresError) { try body(&state.buffer) } catch { return .failure(error) }
      guard state.buffer.count >= Self.pieceBytes else { return .success(nil) }
      state.isSending = true
      defer {
        state.buffer = []
        state.buffer.reserveCapacity(Self.pieceBytes)
      }
      return .success(state.buffer)
    }
    return try result.get()
  }

  private func send(_ piece: [UInt8]) async throws(PostgresError) {
    defer { state.withLockedValue { $0.isSending = false } }
    do throws(PostgresError) {
      try await scope.session.sendCopyData(number, piece, until: scope.nextDeadline)
    } catch {
      throw scope.placed(error)
    }
  }

  private static var usedByTwo: PostgresError {
    PostgresError(.busy, "two tasks use one writer at the same time: await each write before the next")
  }
}
