/// The name of a tenant in routes and commands: `acme`.
public struct TenantSlug: TextIdentifier, CustomStringConvertible {
  /// The name of the identifier, as it is spelt in payloads and settings.
  public static let subject = "tenant"
  /// The longest slug, in characters.
  public static let maximumBytes = 63

  /// The text.
  public let rawValue: String

  /// - Parameter text: 1 to 63 characters of `a`–`z`, `0`–`9` and `-`, the first no `-`.
  /// - Throws: ``InvalidValue`` when the text is empty, too long, or has other characters.
  public init(_ text: String) throws(InvalidValue) {
    try InvalidValue.check(text, subject: Self.subject, limit: Self.maximumBytes)
    guard text.utf8.allSatisfy(Self.isAllowed), text.utf8.first != UInt8(ascii: "-") else {
      throw InvalidValue(
        subject: Self.subject, reason: .malformed(expected: "lower-case letters, digits and '-', the first no '-'"))
    }
    rawValue = text
  }

  private static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
    default: false
    }
  }

  /// The text.
  public var description: String { rawValue }
}
