import Foundation
import RegistryModel
import Testing

@Suite struct InstantTests {
  @Test func arithmeticSaturatesInsteadOfTrapping() {
    #expect(Instant(secondsSince1970: .max).microseconds == .max)
    #expect(Instant(secondsSince1970: .min).microseconds == .min)
    #expect(Instant(millisecondsSince1970: .max).microseconds == .max)
    #expect(Instant(microseconds: .max).advanced(by: .seconds(1)).microseconds == .max)
    #expect(Instant(microseconds: .min).advanced(by: .seconds(-1)).microseconds == .min)
    #expect(Instant(microseconds: 0).advanced(by: .seconds(Int64.max)).microseconds == .max)
    #expect(Instant(microseconds: .min).duration(since: Instant(microseconds: .max)) == .microseconds(Int64.min))
    #expect(Instant(microseconds: .min).flooredToMinute.microseconds == .min)
  }

  @Test(
    arguments: [
      (1_767_225_659_999_999, 1_767_225_600_000_000), (1_767_225_600_000_000, 1_767_225_600_000_000), (0, 0),
      (-1, -60_000_000), (-60_000_000, -60_000_000),
    ] as [(Int64, Int64)])
  func floorsToTheMinute(microseconds: Int64, floored: Int64) {
    #expect(Instant(microseconds: microseconds).flooredToMinute.microseconds == floored)
  }

  @Test func describesItselfInRFC3339() {
    #expect(Instant(secondsSince1970: 1_767_225_600).description == "2026-01-01T00:00:00.000000Z")
    #expect(Instant(microseconds: 951_782_399_000_001).description == "2000-02-28T23:59:59.000001Z")
    #expect(Instant(microseconds: 951_782_400_000_000).description == "2000-02-29T00:00:00.000000Z")
    #expect(Instant(microseconds: -1).description == "1969-12-31T23:59:59.999999Z")
  }

  /// From 1696 on: before 1582 Foundation counts in the Julian calendar.
  @Test func describesItselfAsFoundationDoes() {
    let style = Date.ISO8601FormatStyle()
    for day in stride(from: Int64(-100_000), through: 200_000, by: 97) {
      let seconds = day * 86_400 + (day * 7_919) % 86_400
      let expected = Date(timeIntervalSince1970: Double(seconds)).formatted(style)
      #expect(Instant(secondsSince1970: seconds).description == expected.dropLast() + ".000000Z")
    }
  }

  @Test func isCodedAsANumber() throws {
    let instant = Instant(microseconds: 1_767_225_600_123_456)
    let bytes = try JSONEncoder().encode([instant])
    #expect(String(decoding: bytes, as: UTF8.self) == "[1767225600123456]")
    #expect(try JSONDecoder().decode([Instant].self, from: bytes) == [instant])
  }
}
