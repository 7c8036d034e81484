#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// An instant at PostgreSQL's own resolution: whole microseconds, without the rounding of a floating-point `Date`.
public struct PostgresTimestamp: Sendable, Hashable, Comparable {
  /// Microseconds since 1970-01-01 00:00:00 UTC.
  public var microsecondsSince1970: Int64

  /// Wraps an exact instant.
  /// - Parameter microsecondsSince1970: microseconds since 1970-01-01 00:00:00 UTC.
  public init(microsecondsSince1970: Int64) {
    self.microsecondsSince1970 = microsecondsSince1970
  }

  /// Rounds a date to the nearest microsecond; dates beyond what 64 bits hold are clamped.
  /// - Parameter date: the instant.
  public init(_ date: Date) {
    let microseconds = (date.timeIntervalSinceReferenceDate * 1_000_000).rounded()
    let since2001 = Int64(exactly: microseconds) ?? (microseconds < 0 ? Int64.min : Int64.max)
    let (sum, overflow) = since2001.addingReportingOverflow(Self.referenceDate)
    microsecondsSince1970 = overflow ? Int64.max : sum
  }

  /// The instant as a `Date`, which holds microseconds exactly for some centuries around the present.
  public var date: Date {
    Date(timeIntervalSinceReferenceDate: Double(microsecondsSince1970 - Self.referenceDate) / 1_000_000)
  }

  /// Whether the first instant is earlier.
  public static func < (left: Self, right: Self) -> Bool { left.microsecondsSince1970 < right.microsecondsSince1970 }

  /// 2001-01-01 00:00:00 UTC, where `Date` counts from.
  private static let referenceDate: Int64 = 978_307_200_000_000

  /// The instant in ISO form with its offset, which every DateStyle reads alike.
  var postgresText: String {
    let microsecondsOfDay = microsecondsSince1970.modulo(86_400_000_000)
    let (year, month, day) = Self.civil(day: (microsecondsSince1970 - microsecondsOfDay) / 86_400_000_000)
    let seconds = microsecondsOfDay / 1_000_000
    // PostgreSQL has no year 0: 1 BC follows from astronomical year 0.
    let era = year > 0 ? "" : " BC"
    let printedYear = year > 0 ? year : 1 - year
    return padded(printedYear, 4) + "-" + padded(month, 2) + "-" + padded(day, 2) + " "
      + padded(seconds / 3600, 2) + ":" + padded(seconds / 60 % 60, 2) + ":" + padded(seconds % 60, 2) + "."
      + padded(microsecondsOfDay % 1_000_000, 6) + "+00" + era
  }

  /// Reads `2026-01-02 03:04:05.678901+05:30`, the form of DateStyle ISO, at any offset.
  init?(postgresText text: UnsafeBufferPointer<UInt8>) {
    var scanner = DigitScanner(text)
    guard let year = scanner.number(4...6), scanner.skip("-"), let month = scanner.number(2...2), scanner.skip("-"),
      let day = scanner.number(2...2), scanner.skip(" "), let hour = scanner.number(2...2), scanner.skip(":"),
      let minute = scanner.number(2...2), scanner.skip(":"), let second = scanner.number(2...2)
    else { return nil }
    var fraction: Int64 = 0
    if scanner.skip(".") {
      let start = scanner.position
      guard let digits = scanner.number(1...6) else { return nil }
      fraction = digits
      for _ in (scanner.position - start)..<6 { fraction *= 10 }
    }
    var offset: Int64 = 0
    let isEast = scanner.skip("+")
    guard isEast || scanner.skip("-"), let hours = scanner.number(2...2) else { return nil }
    offset = hours * 3600
    if scanner.skip(":") {
      guard let minutes = scanner.number(2...2) else { return nil }
      offset += minutes * 60
    }
    if scanner.skip(":") {
      guard let seconds = scanner.number(2...2) else { return nil }
      offset += seconds
    }
    let isBeforeChrist = scanner.skip(" ") && scanner.skip("B") && scanner.skip("C")
    guard scanner.isAtEnd else { return nil }
    let days = Self.days(year: isBeforeChrist ? 1 - year : year, month: month, day: day)
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - (isEast ? offset : -offset)
    let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
    guard !overflow else { return nil }
    microsecondsSince1970 = scaled + fraction
  }

  /// Days since 1970-01-01 of a date in the proleptic Gregorian calendar.
  /// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
  private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted - shifted.modulo(400)) / 400
    let yearOfEra = shifted.modulo(400)
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  /// The inverse, civil_from_days of the same source.
  private static func civil(day: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = day + 719_468
    let dayOfEra = shifted.modulo(146_097)
    let era = (shifted - dayOfEra) / 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }
}

private struct DigitScanner {
  private let text: UnsafeBufferPointer<UInt8>
  private(set) var position = 0

  init(_ text: UnsafeBufferPointer<UInt8>) {
    self.text = text
  }

  var isAtEnd: Bool { position == text.count }

  mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard position < text.count, text[position] == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  mutating func number(_ lengths: ClosedRange<Int>) -> Int64? {
    var value: Int64 = 0
    var length = 0
    while position < text.count, length < lengths.upperBound, case let digit = text[position] &- 0x30, digit < 10 {
      value = value * 10 + Int64(digit)
      position += 1
      length += 1
    }
    return length >= lengths.lowerBound ? value : nil
  }
}

extension Int64 {
  /// The remainder that is never negative.
  fileprivate func modulo(_ divisor: Int64) -> Int64 {
    let remainder = self % divisor
    return remainder < 0 ? remainder + divisor : remainder
  }
}

private func padded(_ number: Int64, _ width: Int) -> String {
  let digits = String(number)
  return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
