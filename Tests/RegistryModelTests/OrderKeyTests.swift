import RegistryModel
import Testing

@Suite struct OrderKeyTests {
  @Test func writesInstantRankAndID() {
    let key = OrderKey(instant: Instant(microseconds: 1_767_225_600_123_456), rank: .auth, factID: "f1")
    #expect(key.rawValue == "1767225600123456:4:f1")
    #expect(
      OrderKey(instant: Instant(microseconds: 7), rank: .correction, factID: "").rawValue == "0000000000000007:8:")
    #expect(key.instant.microseconds == 1_767_225_600_123_456)
    #expect(key.rank == .auth)
    #expect(key.factID == "f1")
  }

  @Test func clampsTheInstantToItsSixteenDigits() {
    #expect(OrderKey(instant: Instant(microseconds: -1), rank: .data, factID: "").rawValue == "0000000000000000:0:")
    #expect(OrderKey(instant: Instant(microseconds: .max), rank: .data, factID: "").rawValue == "9999999999999999:0:")
  }

  @Test func sortsByBytesAsByInstantThenRankThenID() {
    var keys: [(Int64, FactRank, String, OrderKey)] = []
    for microseconds in [0, 9, 10, 99, 1_767_225_600_000_000] as [Int64] {
      for rank in FactRank.allCases {
        for factID in ["", "a", "b", "ab"] {
          let key = OrderKey(instant: Instant(microseconds: microseconds), rank: rank, factID: factID)
          keys.append((microseconds, rank, factID, key))
        }
      }
    }
    for left in keys {
      for right in keys {
        let precedes = (left.0, left.1, left.2) < (right.0, right.1, right.2)
        #expect((left.3 < right.3) == precedes)
        #expect(left.3.rawValue.utf8.lexicographicallyPrecedes(right.3.rawValue.utf8) == precedes)
        #expect(left.3.rawValue > "")
      }
    }
  }

  @Test func keepsForeignIDsInASCII() {
    let key = OrderKey(instant: Instant(microseconds: 0), rank: .auth, factID: "é\0")
    #expect(key.rawValue == "0000000000000000:4:%C3%A9%00")
    #expect(OrderKey(rawValue: key.rawValue) == key)
  }

  @Test(arguments: [
    "", "1:4:x", "000000000000000a:4:x", "0000000000000001-4:x", "0000000000000001:9:x", "0000000000000001:4",
    "0000000000000001:4:é", "00000000000000001:4:x",
  ])
  func refusesWhatItDidNotWrite(text: String) {
    #expect(OrderKey(rawValue: text) == nil)
  }
}
