import ConnectionRegistry
import Foundation

/// Any JSON, to print what the registry answers without knowing each of its types.
enum JSONValue: Codable, Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// The JSON of a value, in the registry's form.
  ///
  /// - Parameter value: What to encode.
  /// - Throws: `EncodingError`.
  init(encoding value: some Encodable) throws {
    self = try JSONDecoder().decode(JSONValue.self, from: RegistryJSON.encoder().encode(value))
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Int64.self) {
      self = .integer(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .array(let value): try container.encode(value)
    case .object(let value): try container.encode(value)
    }
  }

  /// The member of an object, or of objects inside it: `finding.subject.id`; `null` where there is none.
  subscript(path path: String) -> JSONValue {
    var value = self
    for name in path.split(separator: ".") {
      guard case .object(let members) = value else { return .null }
      value = members[String(name)] ?? .null
    }
    return value
  }

  /// The value on one line of text, for a cell: text as it is, nothing for null, JSON for what has parts.
  var cell: String {
    switch self {
    case .null: ""
    case .bool(let value): value ? "yes" : "no"
    case .integer(let value): String(value)
    case .number(let value):
      value.formatted(.number.grouping(.never).precision(.fractionLength(0...3)).locale(Self.posix))
    case .string(let value): value
    case .array(let values) where values.allSatisfy(\.isScalar): values.map(\.cell).joined(separator: ", ")
    case .array, .object: compact
    }
  }

  /// Whether the value has no parts.
  var isScalar: Bool {
    switch self {
    case .array, .object: false
    default: true
    }
  }

  /// The value as JSON on one line.
  var compact: String { text(pretty: false) }

  /// The value as JSON spread over lines.
  var pretty: String { text(pretty: true) }

  private func text(pretty: Bool) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
  }

  private static let posix = Locale(identifier: "en_US_POSIX")
}
