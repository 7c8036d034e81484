/// The secret of one session: 128 random bits in its redirect URLs, in base64url. Only its SHA-256 is stored.
struct AttemptToken: Sendable, Hashable {
  static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  let text: String

  init() {
    var generator = SystemRandomNumberGenerator()
    var high = generator.next()
    var low = generator.next()
    // 22 digits of six bits hold 128 bits, the last digit two of them.
    var text: [UInt8] = []
    for _ in 0..<22 {
      text.append(Self.digits[Int(high >> 58)])
      high = high << 6 | low >> 58
      low <<= 6
    }
    self.text = String(decoding: text, as: UTF8.self)
  }

  /// A token as it stands in a URL; any text can be one, so that what a forger sends is evidence too.
  init(presented: String) {
    text = presented
  }

  var sha256: [UInt8] { Fingerprint.sha256(text.utf8) }
}
