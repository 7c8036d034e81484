import HTTPTypes

extension HTTPField.Name {
  /// Names one request across services and logs.
  static let requestID = token("X-Request-Id")
  /// Makes a repetition of a request give the same result.
  static let idempotencyKey = token("Idempotency-Key")
  /// What the next site learns of this one's URL.
  static let referrerPolicy = token("Referrer-Policy")

  /// The key of a client of Terra's: here one to the registry.
  static let xAPIKey = token("x-api-key")
  /// The environment of a client of Terra's.
  static let devID = token("dev-id")

  private static func token(_ literal: StaticString) -> HTTPField.Name {
    guard let name = HTTPField.Name("\(literal)") else {
      preconditionFailure("\(literal) cannot be a header's name")
    }
    return name
  }
}
