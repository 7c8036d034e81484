/// Rows in COPY's text format: tabs between values, `\N` for NULL, a newline at the end (PostgreSQL documentation,
/// COPY, "Text Format").
enum CopyText {
  /// Appends one row; nothing of it when it is refused.
  /// - Throws: `invalidParameter`, naming the value by its number and never by its content.
  static func append(_ values: [PostgresParameter], to bytes: inout [UInt8]) throws(PostgresError) {
    let start = bytes.count
    for (index, value) in values.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: "\t")) }
      switch value.storage {
      case .null: bytes += [backslash, UInt8(ascii: "N")]
      case .text(var text):
        guard text.withUTF8({ append($0, to: &bytes) }) else {
          bytes.removeSubrange(start...)
          throw PostgresError(
            .invalidParameter,
            "value \(index + 1) of the row is text that holds a NUL character, which PostgreSQL cannot store: "
              + "remove it, or copy bytes to a bytea")
        }
      case .bytes(let value):
        // bytea's hex form, whose backslash is escaped as any other.
        bytes += [backslash, backslash, UInt8(ascii: "x")]
        for byte in value { bytes += [digit(byte >> 4), digit(byte & 15)] }
      }
    }
    bytes.append(UInt8(ascii: "\n"))
  }

  private static let backslash = UInt8(ascii: "\\")

  /// Appends text, escaping what would end the value or the row.
  /// - Returns: whether it held no NUL.
  private static func append(_ text: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) -> Bool {
    var start = 0
    for (index, byte) in text.enumerated() {
      let letter: UInt8
      switch byte {
      case 0: return false
      case UInt8(ascii: "\t"): letter = UInt8(ascii: "t")
      case UInt8(ascii: "\n"): letter = UInt8(ascii: "n")
      case UInt8(ascii: "\r"): letter = UInt8(ascii: "r")
      case backslash: letter = backslash
      default: continue
      }
      bytes.append(contentsOf: text[start..<index])
      bytes += [backslash, letter]
      start = index + 1
    }
    bytes.append(contentsOf: text[start...])
    return true
  }

  private static func digit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }
}
