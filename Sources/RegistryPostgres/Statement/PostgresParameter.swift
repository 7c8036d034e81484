#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// A value bound to `$1`, `$2` … of a statement.
///
/// The server infers the parameter's type from the statement, so a null needs no type. Values are never part of an
/// error's `description` nor of a log line, and a parameter prints itself as `PostgresParameter(…)`.
public struct PostgresParameter: Sendable, Hashable {
  enum Storage: Sendable, Hashable {
    case null
    /// Text of the type, without a terminating NUL.
    case text(String)
    /// Bytes in PostgreSQL's binary format, which for bytea are the bytes themselves.
    case bytes([UInt8])
  }

  let storage: Storage

  private init(_ storage: Storage) {
    self.storage = storage
  }

  private init(text: String?) {
    self.storage = text.map(Storage.text) ?? .null
  }

  /// How many bytes of a message the value takes.
  var byteCount: Int {
    switch storage {
    case .null: 0
    case .text(let text): text.utf8.count
    case .bytes(let bytes): bytes.count
    }
  }

  /// The value as SQL would write it, bytes as `\x…`; nil for NULL. For those who measure what is sent, never for a log.
  package var literal: String? {
    switch storage {
    case .null: nil
    case .text(let text): text
    case .bytes(let bytes):
      "\\x" + bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
  }

  /// NULL of whatever type the statement expects.
  public static let null = PostgresParameter(.null)

  /// Text, or any value in PostgreSQL's own text form (numeric, jsonb, inet …).
  /// - Parameter value: the text, without NUL characters, which PostgreSQL cannot store; `nil` for NULL.
  /// - Returns: the parameter.
  public static func text(_ value: String?) -> PostgresParameter { .init(text: value) }

  /// A uuid.
  /// - Parameter value: the uuid; `nil` for NULL.
  /// - Returns: the parameter.
  public static func uuid(_ value: UUID?) -> PostgresParameter { .init(text: value?.uuidString) }

  /// A smallint, integer, bigint or numeric.
  /// - Parameter value: the number; `nil` for NULL.
  /// - Returns: the parameter.
  public static func int(_ value: (some FixedWidthInteger & Sendable)?) -> PostgresParameter {
    .init(text: value.map { String($0) })
  }

  /// A double precision or real.
  /// - Parameter value: the number, infinities and NaN included; `nil` for NULL.
  /// - Returns: the parameter.
  public static func double(_ value: Double?) -> PostgresParameter { .init(text: value.map(\.description)) }

  /// A boolean.
  /// - Parameter value: the truth value; `nil` for NULL.
  /// - Returns: the parameter.
  public static func bool(_ value: Bool?) -> PostgresParameter { .init(text: value.map { $0 ? "t" : "f" }) }

  /// A bytea; as a statement's parameter also a value of another type, in PostgreSQL's binary format.
  /// - Parameter value: the bytes, NUL included, sent as they are; `nil` for NULL.
  /// - Returns: the parameter.
  public static func bytes(_ value: [UInt8]?) -> PostgresParameter { .init(value.map(Storage.bytes) ?? .null) }

  /// A timestamptz, rounded to the microsecond, which is PostgreSQL's own resolution.
  /// - Parameter value: the instant; `nil` for NULL.
  /// - Returns: the parameter.
  public static func timestamp(_ value: Date?) -> PostgresParameter {
    .init(text: value.map { PostgresTimestamp($0).postgresText })
  }

  /// A timestamptz, exact.
  /// - Parameter value: microseconds since 1970-01-01 00:00:00 UTC; `nil` for NULL.
  /// - Returns: the parameter.
  public static func timestamp(microsecondsSince1970 value: Int64?) -> PostgresParameter {
    .init(text: value.map { PostgresTimestamp(microsecondsSince1970: $0).postgresText })
  }

  /// An interval, rounded towards zero to the microsecond.
  /// - Parameter value: the duration; `nil` for NULL.
  /// - Returns: the parameter.
  public static func interval(_ value: Duration?) -> PostgresParameter {
    .init(
      text: value.map {
        let (seconds, attoseconds) = $0.components
        return "\(seconds) seconds \(attoseconds / 1_000_000_000_000) microseconds"
      })
  }

  /// An interval.
  /// - Parameter seconds: the duration in seconds; `nil` for NULL.
  /// - Returns: the parameter.
  public static func interval(seconds: Double?) -> PostgresParameter {
    .init(text: seconds.map { "\($0) seconds" })
  }

  /// A text[].
  /// - Parameter values: the elements; `nil` elements become NULL.
  /// - Returns: the parameter.
  public static func textArray(_ values: [String?]) -> PostgresParameter {
    .init(text: arrayText(values.map { $0.map(quoted) }))
  }

  /// A uuid[].
  /// - Parameter values: the elements; `nil` elements become NULL.
  /// - Returns: the parameter.
  public static func uuidArray(_ values: [UUID?]) -> PostgresParameter {
    .init(text: arrayText(values.map { $0?.uuidString }))
  }

  /// An integer[] or bigint[].
  /// - Parameter values: the elements; `nil` elements become NULL.
  /// - Returns: the parameter.
  public static func intArray(_ values: [(some FixedWidthInteger & Sendable)?]) -> PostgresParameter {
    .init(text: arrayText(values.map { $0.map { String($0) } }))
  }

  /// A boolean[].
  /// - Parameter values: the elements; `nil` elements become NULL.
  /// - Returns: the parameter.
  public static func boolArray(_ values: [Bool?]) -> PostgresParameter {
    .init(text: arrayText(values.map { $0.map { $0 ? "t" : "f" } }))
  }

  /// A timestamptz[].
  /// - Parameter values: the elements; `nil` elements become NULL.
  /// - Returns: the parameter.
  public static func timestampArray(_ values: [Date?]) -> PostgresParameter {
    .init(text: arrayText(values.map { $0.map { quoted(PostgresTimestamp($0).postgresText) } }))
  }

  /// A timestamptz[], exact.
  /// - Parameter values: microseconds since 1970-01-01 00:00:00 UTC; `nil` elements become NULL.
  /// - Returns: the parameter.
  public static func timestampArray(microsecondsSince1970 values: [Int64?]) -> PostgresParameter {
    .init(
      text: arrayText(
        values.map { $0.map { quoted(PostgresTimestamp(microsecondsSince1970: $0).postgresText) } }))
  }

  /// A bytea[].
  /// - Parameter values: the elements; `nil` elements become NULL.
  /// - Returns: the parameter.
  public static func bytesArray(_ values: [[UInt8]?]) -> PostgresParameter {
    .init(text: arrayText(values.map { $0.map { quoted(hexText($0)) } }))
  }

  private static func arrayText(_ elements: [String?]) -> String {
    "{" + elements.map { $0 ?? "NULL" }.joined(separator: ",") + "}"
  }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      if scalar == "\"" || scalar == "\\" { quoted.unicodeScalars.append("\\") }
      quoted.unicodeScalars.append(scalar)
    }
    quoted.append("\"")
    return quoted
  }

  private static func hexText(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(unsafeUninitializedCapacity: 2 + bytes.count * 2) { buffer in
      buffer[0] = UInt8(ascii: "\\")
      buffer[1] = UInt8(ascii: "x")
      var index = 2
      for byte in bytes {
        buffer[index] = digits[Int(byte >> 4)]
        buffer[index + 1] = digits[Int(byte & 15)]
        index += 2
      }
      return index
    }
  }
}

extension PostgresParameter: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// Whether the parameter is null and in which form it travels; never its value.
  public var description: String {
    switch storage {
    case .null: "PostgresParameter(null)"
    case .text: "PostgresParameter(text)"
    case .bytes(let bytes): "PostgresParameter(\(bytes.count) bytes)"
    }
  }

  /// The same as ``description``: a parameter is secret to a debugger's dump as well.
  public var debugDescription: String { description }

  /// A mirror without children, so that `dump` shows no value.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
