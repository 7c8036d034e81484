#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Memory in which a session lays out the parameters of one statement after the other as libpq wants them:
/// NUL-terminated text, or bytes with a length. Kept between statements, so that laying out allocates nothing.
struct ParameterBuffer {
  private var memory: [UInt8] = []
  private var offsets: [Int] = []
  private var values: [UnsafePointer<CChar>?] = []
  private var lengths: [CInt] = []
  private var formats: [CInt] = []

  /// What is kept for the next statement; a single large one should not hold its memory for ever.
  private static let keptCapacity = 256 << 10

  /// Gives libpq's four arguments for the parameters to `body`; the pointers end with it.
  mutating func withPointers<Value>(
    to parameters: [PostgresParameter],
    _ body: (
      CInt, UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<CInt>?, UnsafePointer<CInt>?
    ) -> Value
  ) -> Value {
    guard !parameters.isEmpty else { return body(0, nil, nil, nil) }
    layOut(parameters)
    defer { if memory.capacity > Self.keptCapacity { memory = [] } }
    return memory.withUnsafeBufferPointer { memory in
      for offset in offsets {
        let start = offset < 0 ? nil : memory.baseAddress.map { UnsafeRawPointer($0 + offset) }
        values.append(start?.assumingMemoryBound(to: CChar.self))
      }
      return values.withUnsafeBufferPointer { values in
        lengths.withUnsafeBufferPointer { lengths in
          formats.withUnsafeBufferPointer { formats in
            body(CInt(values.count), values.baseAddress, lengths.baseAddress, formats.baseAddress)
          }
        }
      }
    }
  }

  private mutating func layOut(_ parameters: [PostgresParameter]) {
    memory.removeAll(keepingCapacity: true)
    offsets.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
    lengths.removeAll(keepingCapacity: true)
    formats.removeAll(keepingCapacity: true)
    for parameter in parameters {
      let start = memory.count
      switch parameter.storage {
      case .null:
        append(offset: -1, length: 0, format: 0)
        continue
      case .text(let text):
        memory.append(contentsOf: text.utf8)
        append(offset: start, length: memory.count - start, format: 0)
      case .bytes(let bytes):
        memory.append(contentsOf: bytes)
        append(offset: start, length: memory.count - start, format: 1)
      }
      memory.append(0)
    }
  }

  private mutating func append(offset: Int, length: Int, format: CInt) {
    offsets.append(offset)
    lengths.append(CInt(length))
    formats.append(format)
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
