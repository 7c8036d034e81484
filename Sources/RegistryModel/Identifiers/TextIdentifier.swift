/// A text that names something: compared, ordered and hashed by its bytes of UTF-8, as PostgreSQL does under the
/// collation "C".
///
/// Swift's own comparison of strings takes canonically equivalent spellings (`é` as one or two scalars) for equal;
/// a database and a provider do not.
public protocol TextIdentifier: Sendable, Hashable, Comparable, Codable {
  /// The name of the identifier, as it is spelt in payloads and settings.
  static var subject: String { get }

  /// The text, which has passed the rules of the type.
  var rawValue: String { get }

  /// - Parameter text: the text to check.
  /// - Throws: ``InvalidValue`` when the text breaks a rule of the type.
  init(_ text: String) throws(InvalidValue)
}

extension TextIdentifier {
  /// Whether the two are the same, byte for byte.
  public static func == (left: Self, right: Self) -> Bool {
    left.rawValue.utf8.elementsEqual(right.rawValue.utf8)
  }

  /// Whether the bytes of `left` sort before those of `right`.
  public static func < (left: Self, right: Self) -> Bool {
    left.rawValue.utf8.lexicographicallyPrecedes(right.rawValue.utf8)
  }

  /// Feeds the bytes that equality compares.
  public func hash(into hasher: inout Hasher) {
    for byte in rawValue.utf8 { hasher.combine(byte) }
  }

  /// Reads the text as a single value and holds it against the rules of the type.
  public init(from decoder: any Decoder) throws {
    try self.init(try decoder.singleValueContainer().decode(String.self))
  }

  /// Writes the text as a single value.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }
}
