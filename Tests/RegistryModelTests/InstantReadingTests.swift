import RegistryModel
import Testing

/// RFC 3339 times are read as they were meant, or not at all.
struct InstantReadingTests {
  @Test(
    arguments: [
      ("1970-01-01T00:00:00Z", 0), ("1970-01-01t00:00:00.000001z", 1), ("1969-12-31 23:59:59.5Z", -500_000),
      ("1970-01-01T01:00:00+01:00", 0), ("1969-12-31T19:30:00-04:30", 0),
      ("2024-02-29T12:34:56.789123999Z", 1_709_210_096_789_123),
      ("2016-12-31T23:59:60Z", 1_483_228_800_000_000), ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
      ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
    ] as [(String, Int64)])
  func reads(text: String, microseconds: Int64) {
    #expect(Instant(rfc3339: text)?.microseconds == microseconds)
  }

  @Test(
    arguments: [
      "", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00Z", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
      "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z",
      "2026-01-01T00:00:00+1:00", "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00Z ", "+026-01-01T00:00:00Z",
      "２026-01-01T00:00:00Z", "2026-01-01T00:00:00+24:00",
    ])
  func refuses(text: String) {
    #expect(Instant(rfc3339: text) == nil)
  }

  @Test func readsWhatItWrites() {
    for microseconds in stride(
      from: -62_000_000_000_000_000 as Int64, to: 253_000_000_000_000_000, by: 777_777_777_777_777)
    {
      let instant = Instant(microseconds: microseconds)
      #expect(Instant(rfc3339: instant.description) == instant)
    }
  }
}
