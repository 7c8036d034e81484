package import Foundation

extension UUID {
  /// A new id whose text sorts by time (RFC 9562, section 5.7).
  ///
  /// - Parameter now: the time to put in; milliseconds count.
  /// - Returns: an id with 74 random bits.
  package static func version7(now: Date = Date()) -> UUID {
    let milliseconds = UInt64(max(0, now.timeIntervalSince1970 * 1000))
    let high = UInt64.random(in: .min ... .max)
    let low = UInt64.random(in: .min ... .max)
    var bytes = [UInt8](repeating: 0, count: 16)
    for index in 0..<6 { bytes[index] = UInt8(truncatingIfNeeded: milliseconds >> (8 * (5 - index))) }
    for index in 6..<8 { bytes[index] = UInt8(truncatingIfNeeded: high >> (8 * index)) }
    for index in 8..<16 { bytes[index] = UInt8(truncatingIfNeeded: low >> (8 * (index - 8))) }
    return UUID(bytes: bytes, version: 7)
  }

  /// An id made of 16 given bytes, with version and variant set.
  init(bytes: [UInt8], version: UInt8) {
    var b = bytes
    b[6] = b[6] & 0x0F | version << 4
    b[8] = b[8] & 0x3F | 0x80
    self.init(
      uuid: (
        b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]
      ))
  }

  /// The id as its 16 bytes.
  var bytes: [UInt8] {
    withUnsafeBytes(of: uuid) { Array($0) }
  }

  /// The id as PostgreSQL and the API write it.
  package var text: String { uuidString.lowercased() }
}
