/// Finds the server's report of an error among bytes that libpq has not read.
///
/// While a client sends COPY data libpq reads nothing but notices, so a COPY that failed at its first row would be
/// noticed only at its end. The report is looked for where it lies, in the socket's buffer.
enum ErrorReport {
  /// Whether the bytes hold the beginning of an ErrorResponse.
  ///
  /// Such a message is `E`, its length in four bytes, then fields of one character and a text that a NUL ends:
  /// severity, severity untranslated, SQLSTATE come first in every server since 9.6. No notice can hold this, wherever
  /// the bytes begin: inside one two NULs never stand in a row (PostgreSQL documentation, 55.7 and 55.8).
  static func isIn(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var index = 0
    while let start = bytes[index...].firstIndex(of: UInt8(ascii: "E")) {
      if begins(bytes[start...]) { return true }
      index = start + 1
    }
    return false
  }

  /// A notice as it lies in the socket.
  struct Notice {
    var byteCount: Int
    var fields: [Unicode.Scalar: String]
  }

  /// The notices that are whole, from the first byte on; and one that is too large to be looked at as a whole, by its
  /// beginning.
  /// - Parameters:
  ///   - bytes: what lies in the socket, or as much of it as was looked at.
  ///   - capacity: how much could be looked at.
  /// - Returns: none where the first is not whole yet; `nil` where the bytes do not begin with a notice.
  static func notices(in bytes: UnsafeRawBufferPointer, capacity: Int) -> [Notice]? {
    var notices: [Notice] = []
    var rest = bytes[...]
    while rest.count >= 5 {
      let byteCount = 1 + rest.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) }
      guard rest.first == UInt8(ascii: "N"), byteCount > 5 else { return notices.isEmpty ? nil : notices }
      guard rest.count >= byteCount || byteCount > capacity else { break }
      var fields: [Unicode.Scalar: String] = [:]
      for field in rest.prefix(byteCount).dropFirst(5).split(separator: 0) {
        guard let letter = field.first else { continue }
        fields[Unicode.Scalar(letter)] = String(decoding: field.dropFirst(), as: UTF8.self)
      }
      notices.append(Notice(byteCount: byteCount, fields: fields))
      rest = rest.dropFirst(byteCount)
    }
    return notices
  }

  private static func begins(_ bytes: Slice<UnsafeRawBufferPointer>) -> Bool {
    let body = bytes.dropFirst(5)
    guard bytes.dropFirst().starts(with: [0, 0]), body.first == UInt8(ascii: "S") else { return false }
    guard let end = body.prefix(64).firstIndex(of: 0) else { return false }
    let untranslated = body[(end + 1)...]
    return ["ERROR", "FATAL", "PANIC"].contains { severity in
      untranslated.starts(with: [UInt8(ascii: "V")] + Array(severity.utf8) + [0, UInt8(ascii: "C")])
    }
  }
}
