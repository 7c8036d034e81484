import CLibpq

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Memory in which a session lays out the parameters of one statement after the other as libpq wants them:
/// NUL-terminated text, or bytes with a length; and hands them over. Kept between statements, so that laying out
/// allocates nothing.
struct ParameterBuffer: ~Copyable {
  private var values = UnsafeMutableBufferPointer<UnsafePointer<CChar>?>(start: nil, count: 0)
  private var lengths = UnsafeMutableBufferPointer<CInt>(start: nil, count: 0)
  private var formats = UnsafeMutableBufferPointer<CInt>(start: nil, count: 0)
  private var memory = UnsafeMutableBufferPointer<UInt8>(start: nil, count: 0)

  /// What is kept for the next statement; a single large one should not hold its memory for ever.
  private static let keptCapacity = 256 << 10

  deinit {
    values.deallocate()
    lengths.deallocate()
    formats.deallocate()
    memory.deallocate()
  }

  /// Hands one statement to libpq, which buffers it.
  /// - Returns: whether libpq took it.
  mutating func send(
    _ statement: PostgresStatement, _ use: PreparedStatements.Use, on connection: OpaquePointer?
  ) -> Bool {
    makeRoom(for: statement.parameters)
    layOut(statement.parameters)
    defer { if memory.count > Self.keptCapacity { Self.replace(&memory, count: 0) } }
    let count = CInt(statement.parameters.count)
    let (values, lengths) = (UnsafePointer(values.baseAddress), UnsafePointer(lengths.baseAddress))
    let formats = UnsafePointer(formats.baseAddress)
    // Handed over as it lies in memory: a String that is passed to C as an argument is copied to the heap first.
    if use == .named, let name = statement.name {
      return name.withCString { PQsendQueryPrepared(connection, $0, count, values, lengths, formats, 0) } == 1
    }
    return statement.text.withCString {
      PQsendQueryParams(connection, $0, count, nil, values, lengths, formats, 0)
    } == 1
  }

  private mutating func makeRoom(for parameters: [PostgresParameter]) {
    if values.count < parameters.count {
      Self.replace(&values, count: parameters.count)
      Self.replace(&lengths, count: parameters.count)
      Self.replace(&formats, count: parameters.count)
    }
    var bytes = 0
    for parameter in parameters {
      switch parameter.storage {
      case .null: break
      case .text(let text): bytes += text.utf8.count + 1
      case .bytes(let data): bytes += data.count + 1
      }
    }
    if memory.count < bytes { Self.replace(&memory, count: max(bytes, 1024)) }
  }

  private func layOut(_ parameters: [PostgresParameter]) {
    var rest = UnsafeMutableBufferPointer(rebasing: memory[...])
    for index in parameters.indices {
      switch parameters[index].storage {
      case .null:
        (values[index], lengths[index], formats[index]) = (nil, 0, 0)
        continue
      case .text(let text):
        formats[index] = 0
        lengths[index] = CInt(rest.update(fromContentsOf: text.utf8))
      case .bytes(let data):
        formats[index] = 1
        lengths[index] = CInt(rest.update(fromContentsOf: data))
      }
      let count = Int(lengths[index])
      rest[count] = 0
      values[index] = UnsafeRawPointer(rest.baseAddress)?.assumingMemoryBound(to: CChar.self)
      rest = UnsafeMutableBufferPointer(rebasing: rest[(count + 1)...])
    }
  }

  private static func replace<Element: BitwiseCopyable>(
    _ buffer: inout UnsafeMutableBufferPointer<Element>, count: Int
  ) {
    buffer.deallocate()
    buffer = count > 0 ? .allocate(capacity: count) : .init(start: nil, count: 0)
  }
}

extension PostgresStatement {
  /// Checks what PostgreSQL could not take, before anything of it is sent.
  /// - Returns: how many bytes the text and the parameters take together.
  /// - Throws: `invalidParameter`, naming the parameter by its number and never by its value.
  func checkedByteCount() throws(PostgresError) -> Int {
    guard !text.hasNUL else {
      throw invalid("the text of the statement holds a NUL character, which PostgreSQL cannot read")
    }
    guard parameters.count <= Self.maximumParameters else {
      throw invalid(
        "\(parameters.count) parameters are more than the \(Self.maximumParameters) that PostgreSQL takes: pass "
          + "arrays and unnest them")
    }
    var total = text.utf8.count
    var unfit: Int?
    for index in parameters.indices {
      switch parameters[index].storage {
      case .null: break
      case .text(let text):
        total += text.utf8.count + 1
        if unfit == nil, text.hasNUL { unfit = index }
      case .bytes(let bytes): total += bytes.count + 1
      }
    }
    guard total <= Self.maximumBytes else {
      throw invalid(
        "the statement and its parameters take \(total) bytes, more than the limit of \(Self.maximumBytes): split "
          + "the work into several statements")
    }
    if let unfit {
      throw invalid(
        "parameter $\(unfit + 1) is text that holds a NUL character, which PostgreSQL cannot store: remove it, or pass "
          + "bytes to a bytea")
    }
    return total
  }

  private func invalid(_ message: String) -> PostgresError {
    var error = PostgresError(.invalidParameter, message)
    error.statementName = name
    return error
  }
}

extension PostgresBatch {
  /// Checks all statements as ``PostgresStatement/checkedByteCount()`` does.
  /// - Returns: how many bytes they take together.
  /// - Throws: `invalidParameter` with the index of the statement that cannot be sent, or for too many statements.
  func checkedByteCount() throws(PostgresError) -> Int {
    guard statements.count <= Self.maximumStatements else {
      throw PostgresError(
        .invalidParameter,
        "a batch of \(statements.count) statements is larger than the limit of \(Self.maximumStatements): split it, "
          + "or pass arrays and unnest them")
    }
    var total = 0
    for (index, statement) in statements.enumerated() {
      do throws(PostgresError) {
        total += try statement.checkedByteCount()
      } catch {
        var error = error
        error.statementIndex = index
        throw error
      }
    }
    return total
  }
}

extension String {
  fileprivate var hasNUL: Bool {
    utf8.withContiguousStorageIfAvailable { bytes in
      bytes.baseAddress.map { memchr($0, 0, bytes.count) != nil } ?? false
    } ?? utf8.contains(0)
  }
}
