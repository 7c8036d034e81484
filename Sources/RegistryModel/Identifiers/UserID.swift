/// Terra's id of one connection, which it calls `user_id`: one authenticated account at one provider, never a person.
///
/// Today it is a UUID in text; it is kept as text, because Terra promises no form.
public struct UserID: TextIdentifier, CustomStringConvertible {
  /// The name of the identifier, as it is spelt in payloads and settings.
  public static let subject = "user_id"
  /// The longest text, in bytes of UTF-8.
  public static let maximumBytes = 256

  /// The text.
  public let rawValue: String

  /// - Parameter text: 1 to 256 bytes of UTF-8 without NUL, taken as it is.
  /// - Throws: ``InvalidValue`` when the text is empty, too long or holds NUL.
  public init(_ text: String) throws(InvalidValue) {
    try InvalidValue.check(text, subject: Self.subject, limit: Self.maximumBytes)
    rawValue = text
  }

  /// The text.
  public var description: String { rawValue }
}
