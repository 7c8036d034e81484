extension Instant: CustomStringConvertible {
  /// The moment in RFC 3339, in UTC with six digits of fraction: `2026-01-01T00:00:00.000000Z`.
  ///
  /// Years outside 0…9999 are written with as many digits and the sign that they need.
  public var description: String {
    let seconds = wholeSeconds
    let fraction = microseconds - Self.saturatingProduct(seconds, 1_000_000)
    let days = Self.floorDivision(seconds, 86_400)
    let second = seconds - days * 86_400
    let (year, month, day) = Self.civil(daysSince1970: days)
    let date = "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(day, 2))"
    let time = [second / 3_600, second / 60 % 60, second % 60].map { Self.padded($0, 2) }.joined(separator: ":")
    return "\(date)T\(time).\(Self.padded(fraction, 6))Z"
  }

  /// The proleptic Gregorian date of a day, by H. Hinnant's `civil_from_days`.
  private static func civil(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let era = floorDivision(shifted, 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }

  private static func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number.magnitude)
    let zeros = String(repeating: "0", count: max(0, width - digits.count))
    return (number < 0 ? "-" : "") + zeros + digits
  }
}
