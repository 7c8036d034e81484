/// The place of a fact in time: its instant, then its rank, then its id, as a text that sorts by its bytes.
///
/// The text is what the database keeps: sixteen digits of microseconds since 1970, `:`, one digit of rank, `:`, the
/// fact's id. No key is equal to the empty text, which SQL uses for "none", and every key is greater.
public struct OrderKey: Sendable, Hashable, Comparable, RawRepresentable, Codable, CustomStringConvertible {
  /// The text, as it is kept: ASCII only, which Swift and the collation "C" compare alike.
  public let rawValue: String

  private static let instantDigits = 16
  private static let greatestInstant: Int64 = 9_999_999_999_999_999

  /// - Parameters:
  ///   - instant: the fact's instant; clamped to 1970-01-01T00:00:00Z … 2286-11-20T17:46:39.999999Z.
  ///   - rank: the rank of the fact's kind.
  ///   - factID: the fact's id, which makes keys of different facts differ; usually a UUID. Characters other than the
  ///     printable ones of ASCII are written as their bytes in hexadecimal, each after a `%`.
  public init(instant: Instant, rank: FactRank, factID: String) {
    let digits = String(min(max(instant.microseconds, 0), Self.greatestInstant))
    let zeros = String(repeating: "0", count: Self.instantDigits - digits.utf8.count)
    rawValue = "\(zeros)\(digits):\(rank.rawValue):\(Self.printable(factID))"
  }

  private static func printable(_ factID: String) -> String {
    if factID.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return factID }
    return factID.utf8.reduce(into: "") { text, byte in
      if (0x20..<0x7F).contains(byte) {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        text += "%" + (byte < 0x10 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }
  }

  /// Fails when the text does not have the form of a key.
  ///
  /// - Parameter rawValue: a text that an `OrderKey` wrote.
  public init?(rawValue: String) {
    let bytes = Array(rawValue.utf8)
    guard bytes.count >= Self.instantDigits + 3, bytes.allSatisfy({ (0x20..<0x7F).contains($0) }),
      bytes.prefix(Self.instantDigits).allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
      bytes[Self.instantDigits] == UInt8(ascii: ":"), bytes[Self.instantDigits + 2] == UInt8(ascii: ":"),
      (UInt8(ascii: "0")...UInt8(ascii: "8")).contains(bytes[Self.instantDigits + 1])
    else { return nil }
    self.rawValue = rawValue
  }

  /// The fact's instant, as clamped.
  public var instant: Instant {
    Instant(microseconds: Int64(rawValue.prefix(Self.instantDigits)) ?? 0)
  }

  /// The rank of the fact's kind.
  public var rank: FactRank {
    let digit = rawValue.utf8.dropFirst(Self.instantDigits + 1).first ?? UInt8(ascii: "0")
    return FactRank(rawValue: Int(digit) - Int(UInt8(ascii: "0"))) ?? .data
  }

  /// The fact's id.
  public var factID: String {
    String(rawValue.dropFirst(Self.instantDigits + 3))
  }

  /// The text.
  public var description: String { rawValue }

  /// Whether `left` comes before `right`.
  public static func < (left: OrderKey, right: OrderKey) -> Bool {
    left.rawValue < right.rawValue
  }
}
