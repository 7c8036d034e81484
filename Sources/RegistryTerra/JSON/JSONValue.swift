/// One JSON value, as it was written.
package enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  /// The number's own text: nothing is rounded, and no size is too big.
  case number(String)
  case string(String)
  /// A string that escapes half a surrogate pair, which no text can hold. JSON allows it, so it spoils only the field
  /// in which it stands.
  case unpairedSurrogate
  case array([JSONValue])
  /// The members; of a repeated name, the last.
  case object([String: JSONValue])

  /// The member of that name, when this is an object that has it.
  package subscript(name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members[name]
  }

  /// The text, when this is a string.
  package var text: String? {
    guard case .string(let text) = self else { return nil }
    return text
  }

  /// The number, when this is a whole one that fits.
  package var integer: Int? {
    guard case .number(let text) = self else { return nil }
    return Int(text)
  }

  /// What the value is, in words for an error: never the value.
  package var kindInWords: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .number: "a number"
    case .string: "a string"
    case .unpairedSurrogate: "a string with half a surrogate pair"
    case .array: "an array"
    case .object: "an object"
    }
  }
}
