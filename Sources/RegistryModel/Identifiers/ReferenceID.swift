/// The team's own id of an app user, which Terra carries along as `reference_id`: opaque, stable, unique per tenant.
///
/// It may be an e-mail address. ``description`` therefore tells only its length; use ``rawValue`` where the text is
/// meant.
public struct ReferenceID: TextIdentifier, CustomStringConvertible {
  /// The name of the identifier, as it is spelt in payloads and settings.
  public static let subject = "reference_id"
  /// The longest text, in bytes of UTF-8. Terra documents no limit; this one keeps index entries small.
  public static let maximumBytes = 1_024

  /// The text.
  public let rawValue: String

  /// - Parameter text: 1 to 1,024 bytes of UTF-8 without NUL, taken as it is.
  /// - Throws: ``InvalidValue`` when the text is empty, too long or holds NUL.
  public init(_ text: String) throws(InvalidValue) {
    try InvalidValue.check(text, subject: Self.subject, limit: Self.maximumBytes)
    rawValue = text
  }

  /// Tells the length, never the text, which may be personal.
  public var description: String { "reference_id of \(rawValue.utf8.count) bytes" }
}
