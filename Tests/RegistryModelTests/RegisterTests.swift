import RegistryModel
import Testing

@Suite struct RegisterTests {
  private static let all: [Register<String>] = (1...3).flatMap { instant in
    ["x", "y", "", "zo\u{eb}", "zoe\u{308}"].map { value in
      Register(key: OrderKey(instant: Instant(microseconds: instant), rank: .auth, factID: ""), value: value)
    }
  }

  @Test func joinIsCommutativeAssociativeAndIdempotent() {
    for a in Self.all {
      #expect(a.joined(with: a) == a)
      for b in Self.all {
        #expect(a.joined(with: b) == b.joined(with: a))
        for c in Self.all {
          #expect(a.joined(with: b).joined(with: c) == a.joined(with: b.joined(with: c)))
        }
      }
    }
  }

  @Test func greaterKeyWinsAndAtEqualKeysTheGreaterValue() {
    let early = Self.all[1]
    let late = Self.all[5]
    #expect(early.joined(with: late) == late)
    #expect(Self.all[0].joined(with: Self.all[1]).value == "y")
  }

  @Test func severitiesAndSessionStatesAreOrdered() {
    #expect(FindingSeverity.allCases.sorted() == [.info, .warning, .critical])
    #expect(SessionStatus.allCases.sorted() == [.open, .expired, .failed, .completed])
    #expect(FindingKind.allCases.count == 20)
    #expect(
      FindingKind.allCases.filter { $0.severity == .critical }.map(\.rawValue).sorted() == [
        "cross_tenant_claim", "reference_conflict", "reference_mismatch", "replayed_attempt", "signature_failing",
        "unknown_attempt",
      ])
    #expect(
      FindingKind.allCases.filter { $0.severity == .info }.map(\.rawValue).sorted() == [
        "event_without_callback", "late_event", "stale_session", "unattributed",
      ])
  }
}
