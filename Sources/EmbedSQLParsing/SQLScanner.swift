/// Reads SQL as PostgreSQL's own lexer does, as far as quotes, comments, parameters and semicolons go.
///
/// Splitting at semicolons with anything less breaks on function bodies, on a semicolon in a literal, and on an apostrophe in a
/// comment.
public struct SQLScanner {
  private let bytes: [UInt8]
  private let file: String
  private var position = 0
  private var line: Int

  /// Makes a scanner.
  ///
  /// - Parameters:
  ///   - text: The SQL, as UTF-8.
  ///   - file: The name used in problems.
  ///   - firstLine: The line on which `text` begins in `file`.
  public init(_ text: String, file: String, firstLine: Int = 1) {
    bytes = Array(text.utf8)
    self.file = file
    line = firstLine
  }

  /// All tokens of the text.
  ///
  /// - Returns: The tokens in order; white space is left out.
  /// - Throws: `SQLProblem` when a quote or comment is never closed, and at a psql command or a NUL, which a server cannot take.
  public static func tokens(of text: String, file: String, firstLine: Int = 1) throws(SQLProblem) -> [SQLToken] {
    var scanner = SQLScanner(text, file: file, firstLine: firstLine)
    var tokens: [SQLToken] = []
    while let token = try scanner.next() { tokens.append(token) }
    return tokens
  }

  /// The next token, or nil at the end.
  ///
  /// - Throws: `SQLProblem`, as ``tokens(of:file:firstLine:)`` says.
  public mutating func next() throws(SQLProblem) -> SQLToken? {
    while let byte = peek(), byte == UInt8(ascii: " ") || (0x09...0x0d).contains(byte) { advance() }
    guard let byte = peek() else { return nil }
    let start = position
    let startLine = line
    let kind = try kind(startingWith: byte)
    return SQLToken(kind: kind, range: start..<position, line: startLine)
  }

  private mutating func kind(startingWith byte: UInt8) throws(SQLProblem) -> SQLToken.Kind {
    switch byte {
    case UInt8(ascii: "-") where peek(1) == UInt8(ascii: "-"):
      return lineComment()
    case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "*"):
      try skipBlockComment()
      return .blockComment
    case UInt8(ascii: "'"), UInt8(ascii: "\""):
      try skipQuoted(by: byte, backslashEscapes: false)
      return .quoted
    case UInt8(ascii: "$"):
      return try dollar()
    case UInt8(ascii: ";"):
      advance()
      return .semicolon
    case UInt8(ascii: "\\"):
      throw problem("a backslash outside a literal: psql commands are not SQL; write plain statements only")
    case 0:
      throw problem("a NUL byte, which PostgreSQL does not take in a text; remove it")
    case _ where Self.beginsWord(byte):
      return try word()
    case UInt8(ascii: "0")...UInt8(ascii: "9"):
      while let next = peek(), Self.continuesWord(next) || next == UInt8(ascii: ".") { advance() }
      return .other(byte)
    default:
      advance()
      return .other(byte)
    }
  }

  private mutating func lineComment() -> SQLToken.Kind {
    let start = position + 2
    while let byte = peek(), byte != UInt8(ascii: "\n") { advance() }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    return .lineComment(text.trimmed)
  }

  private mutating func skipBlockComment() throws(SQLProblem) {
    let opening = problem("a comment that is never closed; end it with */")
    var depth = 0
    repeat {
      switch (peek(), peek(1)) {
      case (UInt8(ascii: "/"), UInt8(ascii: "*")):
        depth += 1
        advance(2)
      case (UInt8(ascii: "*"), UInt8(ascii: "/")):
        depth -= 1
        advance(2)
      case (nil, _): throw opening
      default: advance()
      }
    } while depth > 0
  }

  private mutating func skipQuoted(by quote: UInt8, backslashEscapes: Bool) throws(SQLProblem) {
    let opening = problem("a quote that is never closed; double a quote inside a literal: ''")
    advance()
    while let byte = peek() {
      if byte == UInt8(ascii: "\\"), backslashEscapes {
        advance(2)
      } else if byte == quote {
        // A doubled quote is one character of the literal.
        guard peek(1) == quote else {
          advance()
          return
        }
        advance(2)
      } else {
        advance()
      }
    }
    throw opening
  }

  private mutating func dollar() throws(SQLProblem) -> SQLToken.Kind {
    let start = position
    if let digit = peek(1), Self.isDigit(digit) {
      advance()
      while let byte = peek(), Self.isDigit(byte) { advance() }
      guard let number = Int(String(decoding: bytes[(start + 1)..<position], as: UTF8.self)), number <= 65_535 else {
        throw problem("a parameter beyond $65535, the most that PostgreSQL's protocol takes")
      }
      return .parameter(number)
    }
    let opening = problem("a dollar-quoted text that is never closed; end it with the tag that began it")
    var end = position + 1
    while end < bytes.count, Self.continuesWord(bytes[end]), bytes[end] != UInt8(ascii: "$") { end += 1 }
    guard end < bytes.count, bytes[end] == UInt8(ascii: "$") else {
      advance()
      return .other(UInt8(ascii: "$"))
    }
    let tag = bytes[start...end]
    advance(tag.count)
    while position + tag.count <= bytes.count {
      if bytes[position..<(position + tag.count)] == tag {
        advance(tag.count)
        return .quoted
      }
      advance()
    }
    throw opening
  }

  private mutating func word() throws(SQLProblem) -> SQLToken.Kind {
    let start = position
    while let byte = peek(), Self.continuesWord(byte) { advance() }
    let text = String(decoding: bytes[start..<position], as: UTF8.self).lowercased()
    if text == "e", peek() == UInt8(ascii: "'") {
      try skipQuoted(by: UInt8(ascii: "'"), backslashEscapes: true)
      return .quoted
    }
    return .word(text)
  }

  private func peek(_ offset: Int = 0) -> UInt8? {
    position + offset < bytes.count ? bytes[position + offset] : nil
  }

  private mutating func advance(_ count: Int = 1) {
    for _ in 0..<count where position < bytes.count {
      if bytes[position] == UInt8(ascii: "\n") { line += 1 }
      position += 1
    }
  }

  private func problem(_ message: String) -> SQLProblem { SQLProblem(file: file, line: line, message: message) }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private static func beginsWord(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
      || byte == UInt8(ascii: "_") || byte >= 0x80
  }

  private static func continuesWord(_ byte: UInt8) -> Bool {
    beginsWord(byte) || isDigit(byte) || byte == UInt8(ascii: "$")
  }
}

extension String {
  /// Without white space at both ends.
  var trimmed: String {
    guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace }) else {
      return ""
    }
    return String(self[first...last])
  }
}
