/// Parameters laid out in one piece of memory as libpq wants them: NUL-terminated text, or bytes with a length.
struct EncodedParameters: Sendable {
  private var memory: [UInt8] = []
  private var offsets: [Int?] = []
  private var lengths: [CInt] = []
  private var formats: [CInt] = []
  /// How many bytes the statement's text and its parameters take together.
  let byteCount: Int

  /// Lays out the parameters of a statement and checks what PostgreSQL could not take.
  /// - Throws: `invalidParameter`, naming the parameter by its number and never by its value.
  init(_ statement: PostgresStatement) throws(PostgresError) {
    let parameters = statement.parameters
    guard !statement.text.utf8.contains(0) else {
      throw Self.invalid(statement, "the text of the statement holds a NUL character, which PostgreSQL cannot read")
    }
    guard parameters.count <= PostgresStatement.maximumParameters else {
      throw Self.invalid(
        statement,
        "\(parameters.count) parameters are more than the \(PostgresStatement.maximumParameters) that "
          + "PostgreSQL takes: pass arrays and unnest them")
    }
    var total = statement.text.utf8.count
    for parameter in parameters {
      switch parameter.storage {
      case .null: break
      case .text(let text): total += text.utf8.count + 1
      case .bytes(let bytes): total += bytes.count + 1
      }
    }
    guard total <= PostgresStatement.maximumBytes else {
      throw Self.invalid(
        statement,
        "the statement and its parameters take \(total) bytes, more than the limit of "
          + "\(PostgresStatement.maximumBytes): split the work into several statements")
    }
    byteCount = total
    memory.reserveCapacity(total)
    for (index, parameter) in parameters.enumerated() {
      switch parameter.storage {
      case .null:
        offsets.append(nil)
        lengths.append(0)
        formats.append(0)
      case .text(let text):
        let start = memory.count
        memory.append(contentsOf: text.utf8)
        guard !memory[start...].contains(0) else {
          throw Self.invalid(
            statement,
            "parameter $\(index + 1) is text that holds a NUL character, which PostgreSQL cannot store: "
              + "remove it, or pass bytes to a bytea")
        }
        append(start: start, format: 0)
      case .bytes(let bytes):
        let start = memory.count
        memory.append(contentsOf: bytes)
        append(start: start, format: 1)
      }
    }
  }

  private mutating func append(start: Int, format: CInt) {
    offsets.append(start)
    lengths.append(CInt(memory.count - start))
    formats.append(format)
    memory.append(0)
  }

  /// Gives libpq's four arguments for the parameters to `body`; the pointers end with it.
  func withPointers<Value>(
    _ body: (
      CInt, UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<CInt>?, UnsafePointer<CInt>?
    ) -> Value
  ) -> Value {
    guard !offsets.isEmpty else { return body(0, nil, nil, nil) }
    return memory.withUnsafeBytes { memory in
      let values = offsets.map { offset -> UnsafePointer<CChar>? in
        offset.flatMap { offset in
          memory.baseAddress.map { ($0 + offset).assumingMemoryBound(to: CChar.self) }
        }
      }
      return values.withUnsafeBufferPointer { values in
        lengths.withUnsafeBufferPointer { lengths in
          formats.withUnsafeBufferPointer { formats in
            body(CInt(offsets.count), values.baseAddress, lengths.baseAddress, formats.baseAddress)
          }
        }
      }
    }
  }

  private static func invalid(_ statement: PostgresStatement, _ message: String) -> PostgresError {
    var error = PostgresError(.invalidParameter, message)
    error.statementName = statement.name
    return error
  }
}
