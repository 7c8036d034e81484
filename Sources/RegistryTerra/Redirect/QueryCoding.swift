import RegistryModel

/// Percent-encoding in queries.
package enum QueryCoding {
  /// The text that percent-encoded bytes spell, `+` being a space; nil for a `%` without two digits, for NUL, and for
  /// what is not UTF-8.
  static func decoded(_ bytes: some Collection<UInt8>) -> String? {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var iterator = bytes.makeIterator()
    while let byte = iterator.next() {
      switch byte {
      case UInt8(ascii: "+"): decoded.append(0x20)
      case UInt8(ascii: "%"):
        guard let high = iterator.next().flatMap(Hexadecimal.value(of:)),
          let low = iterator.next().flatMap(Hexadecimal.value(of:))
        else { return nil }
        decoded.append(high << 4 | low)
      default: decoded.append(byte)
      }
    }
    guard !decoded.contains(0) else { return nil }
    return String(validating: decoded, as: UTF8.self)
  }

  /// The bytes as a text that a database can keep: as they are where they are UTF-8 without NUL, else with each
  /// offending byte percent-encoded.
  static func storable(_ bytes: some Collection<UInt8>) -> String {
    if !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) { return text }
    return bytes.reduce(into: "") { text, byte in
      if (0x20..<0x7F).contains(byte) {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        text += "%" + Hexadecimal.text(of: [byte]).uppercased()
      }
    }
  }

  /// The text with everything but RFC 3986's unreserved characters percent-encoded.
  package static func encoded(_ text: String) -> String {
    text.utf8.reduce(into: "") { encoded, byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        encoded.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        encoded += "%" + Hexadecimal.text(of: [byte]).uppercased()
      }
    }
  }

  /// The text as a provider's name is compared; as it is where it can be none.
  static func upperCased(_ text: String) -> String {
    (try? Resource(text))?.rawValue ?? text
  }
}
