#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// One value of a result in PostgreSQL's text format, valid only while it is being decoded.
public struct PostgresText {
  /// The bytes of the text, without a terminating NUL; must not escape the decoding.
  public let bytes: UnsafeBufferPointer<UInt8>
  /// The oid of the value's type in the server, for example 17 for bytea.
  public let typeOID: UInt32

  init(bytes: UnsafeBufferPointer<UInt8>, typeOID: UInt32) {
    self.bytes = bytes
    self.typeOID = typeOID
  }
}

/// A type that can be read from PostgreSQL's text format.
public protocol PostgresDecodable {
  /// Reads a value.
  /// - Parameter text: the value's text and type.
  /// - Returns: the value; `nil` when the text is not one of this type.
  static func decode(_ text: PostgresText) -> Self?
}

extension String: PostgresDecodable {
  /// Takes the text as it is, for any type of the server.
  public static func decode(_ text: PostgresText) -> String? {
    String(decoding: text.bytes, as: UTF8.self)
  }
}

extension PostgresDecodable where Self: FixedWidthInteger {
  /// Reads an integer in decimal; `nil` when it does not fit.
  public static func decode(_ text: PostgresText) -> Self? {
    Self(Substring(decoding: text.bytes, as: UTF8.self), radix: 10)
  }
}

extension Int: PostgresDecodable {}
extension Int64: PostgresDecodable {}
extension Int32: PostgresDecodable {}
extension Int16: PostgresDecodable {}

extension Double: PostgresDecodable {
  /// Reads a double precision, real or numeric, `Infinity` and `NaN` included.
  public static func decode(_ text: PostgresText) -> Double? {
    Double(String(decoding: text.bytes, as: UTF8.self))
  }
}

extension Bool: PostgresDecodable {
  /// Reads `t` or `f`.
  public static func decode(_ text: PostgresText) -> Bool? {
    guard text.bytes.count == 1 else { return nil }
    return switch text.bytes[0] {
    case UInt8(ascii: "t"): true
    case UInt8(ascii: "f"): false
    default: nil
    }
  }
}

extension UUID: PostgresDecodable {
  /// Reads a uuid in its usual form.
  public static func decode(_ text: PostgresText) -> UUID? {
    UUID(uuidString: String(decoding: text.bytes, as: UTF8.self))
  }
}

extension PostgresTimestamp: PostgresDecodable {
  /// Reads a timestamptz exactly; `nil` for `infinity`.
  public static func decode(_ text: PostgresText) -> PostgresTimestamp? {
    PostgresTimestamp(postgresText: text.bytes)
  }
}

extension Date: PostgresDecodable {
  /// Reads a timestamptz to the microsecond; `nil` for `infinity`.
  public static func decode(_ text: PostgresText) -> Date? {
    PostgresTimestamp(postgresText: text.bytes)?.date
  }
}

/// A type that can be an element of a PostgreSQL array, or whose Swift array stands for one value, as bytes for bytea.
public protocol PostgresArrayDecodable: PostgresDecodable {
  /// Reads a Swift array of this type.
  /// - Parameter text: the value's text and type.
  /// - Returns: the array; `nil` when the text is not one.
  static func decodeArray(_ text: PostgresText) -> [Self]?
}

extension PostgresArrayDecodable {
  /// Reads a one-dimensional array without NULL elements.
  public static func decodeArray(_ text: PostgresText) -> [Self]? {
    decodeArrayText(text.bytes) { Self.decode(PostgresText(bytes: $0, typeOID: 0)) }
  }
}

extension String: PostgresArrayDecodable {}
extension Int: PostgresArrayDecodable {}
extension Int64: PostgresArrayDecodable {}
extension Double: PostgresArrayDecodable {}
extension Bool: PostgresArrayDecodable {}
extension UUID: PostgresArrayDecodable {}
extension PostgresTimestamp: PostgresArrayDecodable {}
extension Date: PostgresArrayDecodable {}

extension UInt8: PostgresArrayDecodable {
  /// Reads a number from 0 to 255.
  public static func decode(_ text: PostgresText) -> UInt8? {
    UInt8(Substring(decoding: text.bytes, as: UTF8.self), radix: 10)
  }

  /// Reads a bytea in hex form; any other type gives the bytes of its text.
  public static func decodeArray(_ text: PostgresText) -> [UInt8]? {
    // An element of a bytea[] comes without its type.
    let isBytea = text.typeOID == 17 || text.typeOID == 0
    return isBytea ? decodeHex(text.bytes) : Array(text.bytes)
  }
}

extension Array: PostgresDecodable where Element: PostgresArrayDecodable {
  /// Reads an array, or for `[UInt8]` a bytea.
  public static func decode(_ text: PostgresText) -> [Element]? {
    Element.decodeArray(text)
  }
}

extension Array: PostgresArrayDecodable where Element == UInt8 {}

private func decodeHex(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
  guard text.count >= 2, text.count % 2 == 0, text[0] == UInt8(ascii: "\\"), text[1] == UInt8(ascii: "x") else {
    return nil
  }
  func nibble(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    default: nil
    }
  }
  var bytes: [UInt8] = []
  bytes.reserveCapacity(text.count / 2 - 1)
  for index in stride(from: 2, to: text.count, by: 2) {
    guard let high = nibble(text[index]), let low = nibble(text[index + 1]) else { return nil }
    bytes.append(high << 4 | low)
  }
  return bytes
}

/// Reads `{a,"b c",NULL}`; an unquoted NULL gives `nil`, as no element type here has one.
private func decodeArrayText<Element>(
  _ text: UnsafeBufferPointer<UInt8>, _ decode: (UnsafeBufferPointer<UInt8>) -> Element?
) -> [Element]? {
  guard text.count >= 2, text[0] == UInt8(ascii: "{"), text[text.count - 1] == UInt8(ascii: "}") else { return nil }
  var elements: [Element] = []
  var index = 1
  let end = text.count - 1
  var element: [UInt8] = []
  while index < end {
    element.removeAll(keepingCapacity: true)
    let isQuoted = text[index] == UInt8(ascii: "\"")
    if isQuoted {
      index += 1
      while index < end, text[index] != UInt8(ascii: "\"") {
        if text[index] == UInt8(ascii: "\\") { index += 1 }
        guard index < end else { return nil }
        element.append(text[index])
        index += 1
      }
      guard index < end else { return nil }
      index += 1
    } else {
      while index < end, text[index] != UInt8(ascii: ",") {
        // A nested array is of a type that these elements are not.
        guard text[index] != UInt8(ascii: "{") else { return nil }
        element.append(text[index])
        index += 1
      }
      if element.elementsEqual("NULL".utf8) { return nil }
    }
    guard let value = element.withUnsafeBufferPointer(decode) else { return nil }
    elements.append(value)
    guard index < end else { break }
    guard text[index] == UInt8(ascii: ",") else { return nil }
    index += 1
    guard index < end else { return nil }
  }
  return elements
}
