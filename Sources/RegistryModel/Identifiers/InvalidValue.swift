/// Why a text cannot serve as the identifier it was meant to be.
///
/// The description names the identifier and the rule, never the text itself: it may be personal.
public struct InvalidValue: Error, Sendable, Hashable, CustomStringConvertible {
  /// The rule that the text breaks.
  public enum Reason: Sendable, Hashable {
    /// There is no text.
    case empty
    /// The text is longer than it may be, both counted in bytes of UTF-8.
    case tooLong(bytes: Int, limit: Int)
    /// The text holds U+0000, which PostgreSQL cannot store in a text.
    case containsNUL
    /// The text has characters or a form that are not allowed; `expected` says what is.
    case malformed(expected: String)
  }

  /// The name of the identifier, as it is spelt in payloads and settings: `reference_id`.
  public let subject: String
  /// The rule that the text breaks.
  public let reason: Reason

  /// - Parameters:
  ///   - subject: the name of the identifier, as it is spelt in payloads and settings.
  ///   - reason: the rule that the text breaks.
  public init(subject: String, reason: Reason) {
    self.subject = subject
    self.reason = reason
  }

  /// A sentence that names the identifier and the rule, never the text.
  public var description: String {
    switch reason {
    case .empty: "\(subject) is empty: give at least one character"
    case .tooLong(let bytes, let limit): "\(subject) has \(bytes) bytes of UTF-8: at most \(limit) are allowed"
    case .containsNUL: "\(subject) holds a NUL character (U+0000): remove it"
    case .malformed(let expected): "\(subject) is not well-formed: it must be \(expected)"
    }
  }

  /// Holds `text` against the limits that all identifiers share.
  package static func check(_ text: String, subject: String, limit: Int) throws(InvalidValue) {
    guard !text.isEmpty else { throw InvalidValue(subject: subject, reason: .empty) }
    let bytes = text.utf8.count
    guard bytes <= limit else {
      throw InvalidValue(subject: subject, reason: .tooLong(bytes: bytes, limit: limit))
    }
    guard !text.utf8.contains(0) else { throw InvalidValue(subject: subject, reason: .containsNUL) }
  }
}
