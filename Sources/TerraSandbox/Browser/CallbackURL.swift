/// A redirect URL of the registry with Terra's claims in its query: `…/{attempt token}/success?user_id=…`.
public struct CallbackURL: Sendable, Hashable {
  /// The attempt token: the last segment of the path but one; empty where there is none.
  public let token: String
  /// The claimed `user_id`; nil where it is absent, empty or the word `null`.
  public let userID: String?
  /// The claimed `reference_id`; nil where it is absent, empty or the word `null`.
  public let referenceID: String?
  /// The claimed `resource`; nil where it is absent, empty or the word `null`.
  public let resource: String?

  /// Reads a URL.
  ///
  /// - Parameter url: an absolute URL.
  public init(_ url: String) {
    let withoutFragment = url.split(separator: "#", omittingEmptySubsequences: false).first ?? ""
    let parts = withoutFragment.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let segments = (parts.first ?? "").split(separator: "/")
    self.token = segments.count >= 2 ? FormCoding.decode(segments[segments.count - 2], plusIsSpace: false) : ""
    let query = FormCoding.pairs(parts.count > 1 ? parts[1] : "")
    func claim(_ name: String) -> String? {
      let value = query.last { $0.name == name }?.value
      return value == nil || value == "" || value == "null" ? nil : value
    }
    self.userID = claim("user_id")
    self.referenceID = claim("reference_id")
    self.resource = claim("resource")
  }

  /// SHA-256 of the token, lower-case hexadecimal, as the ledger writes it.
  public var tokenSHA256: String { sha256Hexadecimal(self.token) }

  /// The URL with an attempt token that was never issued: as long as the old one and of the same characters.
  static func replacingToken(in url: String) -> String {
    let parts = url.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    var segments = (parts.first ?? "").split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard segments.count >= 2 else { return url }
    let old = segments[segments.count - 2]
    let isHexadecimal = old.allSatisfy { $0.isHexDigit && !$0.isUppercase }
    let digits = Array(
      isHexadecimal ? "0123456789abcdef" : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    segments[segments.count - 2] = String(old.indices.map { _ in digits[Int.random(in: digits.indices)] })
    return segments.joined(separator: "/") + (parts.count > 1 ? "?" + parts[1] : "")
  }
}
