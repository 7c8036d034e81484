import Foundation

/// The text of an API key: `crk_` + base62(tenant uuid ‖ 256 random bits ‖ CRC-32), of fixed length.
///
/// The tenant inside says where to look, the check sum lets a mistyped key be refused without a look, and the prefix
/// lets scanners of secrets know it: `crk_[0-9A-Za-z]{70}`.
struct APIKeyText: Sendable, Hashable {
  static let prefix = "crk_"
  static let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
  /// 16 + 32 + 4 bytes are 416 bits: 70 digits of base 62.
  static let byteCount = 52
  static let digitCount = 70

  let tenantID: UUID
  let text: String

  init(tenantID: UUID, random: [UInt8]) {
    let payload = tenantID.bytes + random
    let sum = Self.crc32(payload)
    let bytes = payload + (0..<4).map { UInt8(truncatingIfNeeded: sum >> (8 * (3 - $0))) }
    self.tenantID = tenantID
    self.text = Self.prefix + Self.base62(bytes)
  }

  /// Reads a presented key; nil where it cannot be one.
  init?(_ presented: String) {
    guard presented.hasPrefix(Self.prefix), presented.utf8.count == Self.prefix.utf8.count + Self.digitCount,
      let bytes = Self.bytes(base62: presented.utf8.dropFirst(Self.prefix.utf8.count))
    else { return nil }
    let sum = bytes[48...].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    guard sum == Self.crc32(bytes[..<48]) else { return nil }
    let id = bytes
    self.tenantID = UUID(
      uuid: (
        id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7], id[8], id[9], id[10], id[11], id[12], id[13], id[14],
        id[15]
      ))
    self.text = presented
  }

  private static func base62(_ bytes: [UInt8]) -> String {
    var number = bytes
    var text: [UInt8] = []
    for _ in 0..<digitCount {
      var rest = 0
      for index in number.indices {
        let value = rest << 8 | Int(number[index])
        number[index] = UInt8(value / 62)
        rest = value % 62
      }
      text.append(digits[rest])
    }
    return String(decoding: text.reversed(), as: UTF8.self)
  }

  private static func bytes(base62 text: some Sequence<UInt8>) -> [UInt8]? {
    var number = [UInt8](repeating: 0, count: byteCount)
    for character in text {
      guard let digit = digits.firstIndex(of: character) else { return nil }
      var carry = digit
      for index in number.indices.reversed() {
        let value = Int(number[index]) * 62 + carry
        number[index] = UInt8(value & 0xFF)
        carry = value >> 8
      }
      guard carry == 0 else { return nil }
    }
    return number
  }

  /// CRC-32 as ISO-HDLC and zlib compute it.
  private static func crc32(_ bytes: some Sequence<UInt8>) -> UInt32 {
    var sum = UInt32.max
    for byte in bytes {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
    }
    return ~sum
  }
}
