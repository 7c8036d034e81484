/// What can be said of a COPY by reading its text.
enum CopyStatement {
  /// Whether the first word of a text, white space and comments left aside, is COPY.
  static func isCopy(_ text: String) -> Bool {
    var rest = Substring(text).utf8
    func skip(_ isSkipped: (UInt8) -> Bool) { rest = rest.drop(while: isSkipped) }
    while let first = rest.first {
      if isSpace(first) {
        skip(isSpace)
      } else if rest.starts(with: "--".utf8) {
        skip { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
      } else if rest.starts(with: "/*".utf8) {
        // Comments nest in PostgreSQL.
        var depth = 0
        repeat {
          if rest.starts(with: "/*".utf8) {
            depth += 1
            rest = rest.dropFirst(2)
          } else if rest.starts(with: "*/".utf8) {
            depth -= 1
            rest = rest.dropFirst(2)
          } else {
            rest = rest.dropFirst()
          }
        } while depth > 0 && !rest.isEmpty
      } else {
        break
      }
    }
    let word = rest.prefix(4).map { $0 | 0x20 }
    guard word.elementsEqual("copy".utf8) else { return false }
    guard let next = rest.dropFirst(4).first else { return true }
    return isSpace(next)
      || [UInt8(ascii: "("), UInt8(ascii: "\""), UInt8(ascii: "/"), UInt8(ascii: "-")].contains(next)
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || (9...13).contains(byte)
  }
}
