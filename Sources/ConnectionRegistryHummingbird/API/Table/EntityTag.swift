import Crypto
import Foundation

/// Names the content of an answer (RFC 9110, section 8.8.3): strong, made of the content.
enum EntityTag {
  /// The tag of a body.
  ///
  /// - Parameter body: The answer's body.
  /// - Returns: The tag with its quotes.
  static func of(_ body: Data) -> String {
    let digits = SHA256.hash(data: body).prefix(16).map { byte in
      (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return "\"\(digits.joined())\""
  }

  /// Whether a header's list names a tag.
  ///
  /// - Parameters:
  ///   - tag: The tag, with its quotes.
  ///   - list: `*`, or tags separated by commas.
  ///   - weakly: Whether a weak tag names it too, as in `If-None-Match`.
  /// - Returns: Whether it does.
  static func matches(_ tag: String, _ list: String, weakly: Bool) -> Bool {
    list.split(separator: ",").contains { part in
      let name = part.trimmingCharacters(in: .whitespaces)
      return name == "*" || name == tag || weakly && name == "W/" + tag
    }
  }
}
