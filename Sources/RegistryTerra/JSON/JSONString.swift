/// The text of a JSON string: what stands between the quotes, with its escapes.
enum JSONString {
  /// - Parameter raw: the bytes between the quotes.
  /// - Returns: the text as `string`, or `unpairedSurrogate`.
  /// - Throws: ``JSONSyntaxError`` for an unknown escape, a raw control character, or bytes that are not UTF-8; offsets
  ///   count from the beginning of `raw`.
  static func value(ofRaw raw: some Collection<UInt8>) throws(JSONSyntaxError) -> JSONValue {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(raw.count)
    var rest = Reader(raw: Array(raw))
    var isPaired = true
    while let byte = rest.next() {
      switch byte {
      case UInt8(ascii: "\\"):
        guard let scalar = try rest.escapedScalar() else {
          isPaired = false
          continue
        }
        bytes += String(Character(scalar)).utf8
      case 0..<0x20:
        throw JSONSyntaxError(problem: "holds a raw control character in a string", offset: rest.position - 1)
      default:
        bytes.append(byte)
      }
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw JSONSyntaxError(problem: "is not UTF-8", offset: 0)
    }
    return isPaired ? .string(text) : .unpairedSurrogate
  }

  /// The text of a string, or nil where there is none to be had.
  static func text(ofRaw raw: some Collection<UInt8>) -> String? {
    guard case .string(let text)? = try? value(ofRaw: raw) else { return nil }
    return text
  }

  private struct Reader {
    let raw: [UInt8]
    var position = 0

    mutating func next() -> UInt8? {
      guard position < raw.count else { return nil }
      defer { position += 1 }
      return raw[position]
    }

    /// The scalar of the escape whose backslash was just read; nil for half a surrogate pair.
    mutating func escapedScalar() throws(JSONSyntaxError) -> Unicode.Scalar? {
      switch next() {
      case UInt8(ascii: "\""): return "\""
      case UInt8(ascii: "\\"): return "\\"
      case UInt8(ascii: "/"): return "/"
      case UInt8(ascii: "b"): return "\u{8}"
      case UInt8(ascii: "f"): return "\u{c}"
      case UInt8(ascii: "n"): return "\n"
      case UInt8(ascii: "r"): return "\r"
      case UInt8(ascii: "t"): return "\t"
      case UInt8(ascii: "u"): break
      default: throw JSONSyntaxError(problem: "has an unknown escape in a string", offset: position - 1)
      }
      let unit = try hexadecimalUnit()
      if let scalar = Unicode.Scalar(unit) { return scalar }
      guard UTF16.isLeadSurrogate(unit), raw.dropFirst(position).starts(with: "\\u".utf8) else { return nil }
      let afterLead = position
      position += 2
      let trail = try hexadecimalUnit()
      guard UTF16.isTrailSurrogate(trail) else {
        position = afterLead
        return nil
      }
      return Unicode.Scalar(0x10000 + (UInt32(unit) - 0xD800) << 10 + UInt32(trail) - 0xDC00)
    }

    private mutating func hexadecimalUnit() throws(JSONSyntaxError) -> UInt16 {
      var unit: UInt16 = 0
      for _ in 0..<4 {
        guard let byte = next(), let digit = Hexadecimal.value(of: byte) else {
          throw JSONSyntaxError(problem: "has a \\u escape without four hexadecimal digits", offset: position)
        }
        unit = unit << 4 | UInt16(digit)
      }
      return unit
    }
  }
}
