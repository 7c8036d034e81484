extension Instant {
  /// Reads a moment in RFC 3339: `2026-01-01T00:00:00Z`, `2026-01-01T01:00:00.25+01:00`.
  ///
  /// - Parameter text: date, time and zone, the zone required; fractions beyond microseconds are cut off, and a leap second
  ///   counts as the second after it. Fails for anything else.
  public init?(rfc3339 text: some StringProtocol) {
    var rest = Array(text.utf8)[...]
    func take(_ byte: UInt8...) -> Bool {
      guard let first = rest.first, byte.contains(first) else { return false }
      rest.removeFirst()
      return true
    }
    func number(_ digits: Int, in range: ClosedRange<Int64>) -> Int64? {
      guard rest.count >= digits, let value = Self.number(rest.prefix(digits)), range.contains(value) else {
        return nil
      }
      rest.removeFirst(digits)
      return value
    }
    let (dash, colon) = (UInt8(ascii: "-"), UInt8(ascii: ":"))
    guard let year = number(4, in: 0...9_999), take(dash), let month = number(2, in: 1...12), take(dash),
      let day = number(2, in: 1...Self.days(in: month, of: year)),
      take(UInt8(ascii: "T"), UInt8(ascii: "t"), UInt8(ascii: " ")),
      let hour = number(2, in: 0...23), take(colon), let minute = number(2, in: 0...59), take(colon),
      let second = number(2, in: 0...60)
    else { return nil }
    var fraction: Int64 = 0
    if take(UInt8(ascii: ".")) {
      let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      guard !digits.isEmpty, let value = Self.number(digits.prefix(6)) else { return nil }
      rest.removeFirst(digits.count)
      fraction = (0..<max(0, 6 - digits.count)).reduce(value) { value, _ in value * 10 }
    }
    var offset: Int64 = 0
    if !take(UInt8(ascii: "Z"), UInt8(ascii: "z")) {
      let isBehind = rest.first == dash
      guard take(dash, UInt8(ascii: "+")), let hours = number(2, in: 0...23), take(colon),
        let minutes = number(2, in: 0...59)
      else { return nil }
      offset = (hours * 60 + minutes) * (isBehind ? -60 : 60)
    }
    guard rest.isEmpty else { return nil }
    let seconds = Self.days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset
    self.init(microseconds: seconds * 1_000_000 + fraction)
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
    digits.reduce(0 as Int64?) { value, digit in
      guard let value, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      return value * 10 + Int64(digit - UInt8(ascii: "0"))
    }
  }

  private static func days(in month: Int64, of year: Int64) -> Int64 {
    switch month {
    case 4, 6, 9, 11: 30
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    default: 31
    }
  }

  /// The days since 1970 of a proleptic Gregorian date, by H. Hinnant's `days_from_civil`.
  private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = floorDivision(shifted, 400)
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }
}
