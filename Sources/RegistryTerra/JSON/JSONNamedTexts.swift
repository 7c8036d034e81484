/// The members of a JSON text that hold a string or a number, or a list of these, however deep they stand. Also of a text
/// that is cut off or not whole JSON: what can be told is told.
package enum JSONNamedTexts {
  /// One member: of a list there is one for each element.
  package struct Member: Sendable, Hashable {
    package let name: String
    /// The string's text, or the number as it is written.
    package let text: String
  }

  /// - Parameter bytes: the text in UTF-8.
  /// - Returns: the members in their order, those too that an object has twice.
  package static func members(in bytes: [UInt8]) -> [Member] {
    var reader = Reader(bytes: bytes)
    var members: [Member] = []
    while let start = bytes[reader.position...].firstIndex(of: UInt8(ascii: "\"")) {
      reader.position = start
      guard let raw = reader.string() else { return members }
      guard reader.take(UInt8(ascii: ":")) else { continue }
      guard let name = JSONString.text(ofRaw: raw) else { continue }
      let isList = reader.take(UInt8(ascii: "["))
      repeat {
        guard let text = reader.scalar() else { break }
        if let text = text.value { members.append(Member(name: name, text: text)) }
      } while isList && reader.take(UInt8(ascii: ","))
    }
    return members
  }

  /// A string that no text can hold has no value.
  private struct Scalar {
    let value: String?
  }

  private struct Reader {
    let bytes: [UInt8]
    var position = 0

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
      while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    mutating func take(_ byte: UInt8) -> Bool {
      skipSpace()
      guard current == byte else { return false }
      position += 1
      return true
    }

    /// What stands between the quote at the position and the next one that is not escaped; nil where none follows.
    mutating func string() -> ArraySlice<UInt8>? {
      position += 1
      let start = position
      while let byte = current {
        if byte == UInt8(ascii: "\"") {
          defer { position += 1 }
          return bytes[start..<position]
        }
        position += byte == UInt8(ascii: "\\") ? 2 : 1
      }
      position = bytes.count
      return nil
    }

    mutating func scalar() -> Scalar? {
      skipSpace()
      switch current {
      case UInt8(ascii: "\""): return string().map { Scalar(value: JSONString.text(ofRaw: $0)) }
      case .some(let first) where "-0123456789".utf8.contains(first):
        let start = position
        while let byte = current, "+-.eE0123456789".utf8.contains(byte) { position += 1 }
        return Scalar(value: String(decoding: bytes[start..<position], as: UTF8.self))
      default: return nil
      }
    }
  }
}
