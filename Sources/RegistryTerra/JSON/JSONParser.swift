/// A parser of whole JSON documents that no input can crash: depth is limited, numbers stay text, bytes are checked.
///
/// Written by hand because Foundation's parsers differ between platforms in what they make of repeated names, half
/// surrogate pairs and big numbers, and what was signed must be read the same everywhere.
package struct JSONParser {
  /// The deepest nesting of arrays and objects that is read.
  package static let maximumDepth = 128

  private let bytes: [UInt8]
  private var position = 0
  private var depth = 0
  /// A name that one object has twice.
  private var repeated: String?

  private init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// - Parameter bytes: one JSON document in UTF-8, white space around it allowed.
  /// - Returns: its value.
  /// - Throws: ``JSONSyntaxError`` when it is none, or is nested more than ``maximumDepth`` levels.
  package static func parse(_ bytes: some Sequence<UInt8>) throws(JSONSyntaxError) -> JSONValue {
    var parser = JSONParser(Array(bytes))
    parser.skipWhitespace()
    guard parser.position < parser.bytes.count else { throw parser.error("is empty") }
    let value = try parser.value()
    parser.skipWhitespace()
    guard parser.position == parser.bytes.count else { throw parser.error("goes on after its JSON value") }
    return value
  }

  /// A name that some object of a document has twice: readers differ in which of the two they take.
  ///
  /// - Parameter bytes: one JSON document in UTF-8.
  /// - Returns: the last such name; nil where there is none.
  /// - Throws: ``JSONSyntaxError`` as ``parse(_:)`` does.
  package static func repeatedName(in bytes: some Sequence<UInt8>) throws(JSONSyntaxError) -> String? {
    var parser = JSONParser(Array(bytes))
    parser.skipWhitespace()
    _ = try parser.value()
    return parser.repeated
  }

  private func error(_ problem: String) -> JSONSyntaxError {
    JSONSyntaxError(problem: problem, offset: position)
  }

  private var current: UInt8? {
    position < bytes.count ? bytes[position] : nil
  }

  private mutating func skipWhitespace() {
    while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  private mutating func value() throws(JSONSyntaxError) -> JSONValue {
    switch current {
    case UInt8(ascii: "{"): return try nested { parser throws(JSONSyntaxError) in try parser.object() }
    case UInt8(ascii: "["): return try nested { parser throws(JSONSyntaxError) in try parser.array() }
    case UInt8(ascii: "\""): return try string()
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case UInt8(ascii: "-"): return try number()
    case .some(let byte) where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte): return try number()
    case nil: throw error("ends in the middle of its JSON")
    default: throw error("is not JSON")
    }
  }

  private mutating func nested(
    _ body: (inout JSONParser) throws(JSONSyntaxError) -> JSONValue
  ) throws(JSONSyntaxError) -> JSONValue {
    guard depth < Self.maximumDepth else { throw error("is nested more than \(Self.maximumDepth) levels deep") }
    depth += 1
    position += 1
    let value = try body(&self)
    depth -= 1
    return value
  }

  private mutating func object() throws(JSONSyntaxError) -> JSONValue {
    var members: [String: JSONValue] = [:]
    skipWhitespace()
    if take("}") { return .object(members) }
    while true {
      skipWhitespace()
      guard current == UInt8(ascii: "\"") else { throw error("lacks the name of a member") }
      let name = try string()
      skipWhitespace()
      guard take(":") else { throw error("lacks a colon after the name of a member") }
      skipWhitespace()
      let value = try value()
      if let name = name.text, members.updateValue(value, forKey: name) != nil { repeated = name }
      skipWhitespace()
      if take("}") { return .object(members) }
      guard take(",") else { throw error("lacks a comma or brace in an object") }
    }
  }

  private mutating func array() throws(JSONSyntaxError) -> JSONValue {
    var elements: [JSONValue] = []
    skipWhitespace()
    if take("]") { return .array(elements) }
    while true {
      skipWhitespace()
      elements.append(try value())
      skipWhitespace()
      if take("]") { return .array(elements) }
      guard take(",") else { throw error("lacks a comma or bracket in an array") }
    }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard current == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func string() throws(JSONSyntaxError) -> JSONValue {
    position += 1
    let start = position
    while let byte = current, byte != UInt8(ascii: "\"") {
      position += byte == UInt8(ascii: "\\") ? 2 : 1
    }
    guard position < bytes.count else {
      position = bytes.count
      throw error("ends in the middle of a string")
    }
    let raw = bytes[start..<position]
    position += 1
    do {
      return try JSONString.value(ofRaw: raw)
    } catch {
      throw JSONSyntaxError(problem: error.problem, offset: start + error.offset)
    }
  }

  private mutating func literal(_ text: String, _ value: JSONValue) throws(JSONSyntaxError) -> JSONValue {
    guard bytes[position...].starts(with: text.utf8) else { throw error("is not JSON") }
    position += text.utf8.count
    return value
  }

  private mutating func number() throws(JSONSyntaxError) -> JSONValue {
    let start = position
    _ = take("-")
    if !take("0") { try digits() }
    if take(".") { try digits() }
    if take("e") || take("E") {
      if !take("+") { _ = take("-") }
      try digits()
    }
    return .number(String(decoding: bytes[start..<position], as: UTF8.self))
  }

  private mutating func digits() throws(JSONSyntaxError) {
    let start = position
    while let byte = current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
    guard position > start else { throw error("has a number without digits") }
  }
}
