import Crypto
import Foundation

/// Signs webhooks the way Terra does: HMAC-SHA256 over `t`, a dot and the body.
package struct WebhookSigner: Sendable {
  private var code: HMAC<SHA256>
  private let timestamp: Int64

  /// Begins a signature.
  ///
  /// - Parameters:
  ///   - secret: the signing secret, used as UTF-8.
  ///   - timestamp: `t`, in seconds since 1970.
  package init(secret: String, timestamp: Int64) {
    self.code = HMAC<SHA256>(key: SymmetricKey(data: Data(secret.utf8)))
    self.timestamp = timestamp
    self.code.update(data: Data("\(timestamp).".utf8))
  }

  /// Adds a part of the body.
  package mutating func update(_ bytes: [UInt8]) {
    self.code.update(data: bytes)
  }

  /// The header's value, `t=<seconds>,v1=<hexadecimal>`.
  package func header() -> String {
    "t=\(self.timestamp),v1=\(hexadecimal(self.code.finalize()))"
  }

  /// Signs a whole body.
  ///
  /// - Parameters:
  ///   - body: the bytes that are sent.
  ///   - secret: the signing secret.
  ///   - timestamp: `t`, in seconds since 1970.
  /// - Returns: the header's value.
  package static func header(body: [UInt8], secret: String, timestamp: Int64) -> String {
    var signer = WebhookSigner(secret: secret, timestamp: timestamp)
    signer.update(body)
    return signer.header()
  }
}

/// Lower-case hexadecimal digits.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

/// SHA-256 of a text, as lower-case hexadecimal digits.
func sha256Hexadecimal(_ text: String) -> String {
  hexadecimal(SHA256.hash(data: Data(text.utf8)))
}
