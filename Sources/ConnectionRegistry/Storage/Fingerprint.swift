import Crypto

/// SHA-256 where the registry needs one, over bytes and texts.
enum Fingerprint {
  static func sha256(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    var hash = SHA256()
    hash.update(data: Array(bytes))
    return Array(hash.finalize())
  }

  /// Over several texts, each with its length before it, so that no two lists collide.
  static func sha256(of texts: [String]) -> [UInt8] {
    var hash = SHA256()
    for text in texts {
      hash.update(data: Array("\(text.utf8.count):".utf8))
      hash.update(data: Array(text.utf8))
    }
    return Array(hash.finalize())
  }

  static func hex(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}
