/// The members of a JSON object with the places of their values, so that one can be exchanged and every other byte
/// stays as it is.
package struct JSONMemberText: Sendable {
  /// One member.
  package struct Member: Sendable {
    /// The name, its escapes resolved.
    package let name: String
    /// The value.
    package let value: JSONValue
    /// Where the value stands in the text.
    let range: Range<Int>
  }

  /// The text.
  package private(set) var bytes: [UInt8]
  /// The members in order, repeated names too.
  package private(set) var members: [Member] = []

  /// Reads one JSON object; an empty text has no members.
  ///
  /// - Parameter bytes: the text, in UTF-8.
  /// - Throws: ``JSONSyntaxError`` where it is not one JSON object, or has a member whose name no text can hold.
  package init(_ bytes: [UInt8]) throws(JSONSyntaxError) {
    self.bytes = bytes
    guard !bytes.allSatisfy(Self.isSpace) else { return }
    guard case .object = try JSONParser.parse(bytes) else {
      throw JSONSyntaxError(problem: "is not a JSON object", offset: 0)
    }
    // The document is sound, so that what follows need only find where things end.
    var position = skip(from: 0) + 1
    position = skip(from: position)
    while bytes[position] != UInt8(ascii: "}") {
      let name = position..<end(ofValueAt: position)
      position = skip(from: skip(from: name.upperBound) + 1)
      let value = position..<end(ofValueAt: position)
      guard let text = JSONString.text(ofRaw: bytes[name].dropFirst().dropLast()) else {
        throw JSONSyntaxError(problem: "has a member whose name no text can hold", offset: name.lowerBound)
      }
      members.append(Member(name: text, value: try JSONParser.parse(bytes[value]), range: value))
      position = skip(from: value.upperBound)
      if bytes[position] == UInt8(ascii: ",") { position = skip(from: position + 1) }
    }
  }

  /// The values of a name, in order: more than one where the name is repeated.
  package func values(of name: String) -> [JSONValue] {
    members.filter { $0.name == name }.map(\.value)
  }

  /// The text with the values of some members exchanged.
  ///
  /// - Parameter texts: the new values, by name.
  /// - Returns: the bytes; all others stay.
  package func replacing(_ texts: [String: String]) -> [UInt8] {
    var result: [UInt8] = []
    var position = 0
    for member in members {
      guard let text = texts[member.name] else { continue }
      result += bytes[position..<member.range.lowerBound]
      result += JSONValue.string(text).bytes
      position = member.range.upperBound
    }
    return result + bytes[position...]
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

  private func skip(from start: Int) -> Int {
    var position = start
    while Self.isSpace(bytes[position]) { position += 1 }
    return position
  }

  private func end(ofValueAt start: Int) -> Int {
    var position = start
    var depth = 0
    repeat {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        position += 1
        while bytes[position] != UInt8(ascii: "\"") { position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1 }
        position += 1
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        position += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        depth -= 1
        position += 1
      default:
        position += 1
        // A number or a word ends where something else begins; inside of parts their ends are found above.
        if depth == 0 {
          while position < bytes.count, !Self.isSpace(bytes[position]), !",}]".utf8.contains(bytes[position]) {
            position += 1
          }
        }
      }
    } while depth > 0
    return position
  }
}
