import Crypto
import Foundation

/// What an endpoint's deliveries are signed with (Standard Webhooks 1.0: `whsec_` and 24 to 64 bytes in base64).
struct EndpointSecret: Sendable {
  static let prefix = "whsec_"
  /// The name of the signatures' version, before each of them.
  static let version = "v1"

  /// The secret as its receiver is given it.
  let text: String
  private let key: SymmetricKey

  /// A new secret of 32 random bytes.
  init() {
    let key = SymmetricKey(size: .bits256)
    self.key = key
    text = Self.prefix + key.withUnsafeBytes { Data($0) }.base64EncodedString()
  }

  /// Reads a secret; nil for what is none.
  init?(_ text: String) {
    guard text.hasPrefix(Self.prefix), let bytes = Data(base64Encoded: String(text.dropFirst(Self.prefix.count))),
      (24...64).contains(bytes.count)
    else { return nil }
    self.text = text
    key = SymmetricKey(data: bytes)
  }

  /// Signs a message: HMAC-SHA256 over id, time and body with dots between them, as the header has it.
  ///
  /// - Parameters:
  ///   - id: the value of `webhook-id`.
  ///   - timestamp: the value of `webhook-timestamp`, seconds since 1970.
  ///   - body: the body as it is sent.
  /// - Returns: the version and the code in base64.
  func signature(id: String, timestamp: Int64, body: String) -> String {
    var code = HMAC<SHA256>(key: key)
    code.update(data: Data("\(id).\(timestamp).".utf8))
    code.update(data: Data(body.utf8))
    return "\(Self.version),\(Data(code.finalize()).base64EncodedString())"
  }
}
