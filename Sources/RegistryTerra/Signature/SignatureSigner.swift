import Crypto

/// Signs webhooks as Terra does: for tests, and for tools that stand in for Terra.
public struct SignatureSigner: Sendable {
  private let secret: [UInt8]

  /// - Parameter secret: the signing secret, as bytes of UTF-8.
  public init(secret: [UInt8]) {
    self.secret = secret
  }

  /// The value of the signature header for a body.
  ///
  /// - Parameters:
  ///   - timestamp: the time of signing, in whole seconds since 1970.
  ///   - body: the raw body.
  /// - Returns: `t=…,v1=…`, in lower case.
  public func header(timestamp: Int64, body: some Sequence<UInt8>) -> String {
    var computation = HMAC<SHA256>(key: SymmetricKey(data: secret))
    computation.update(data: Array("\(timestamp).".utf8))
    computation.update(data: Array(body))
    return "t=\(timestamp),v1=\(Hexadecimal.text(of: computation.finalize()))"
  }
}
