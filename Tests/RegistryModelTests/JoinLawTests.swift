import RegistryModel
import Testing

/// The laws of the join over every state that the registers can have with keys from a small domain: each register
/// absent, early or late, and the correction with each verdict.
@Suite struct JoinLawTests {
  private static let early = OrderKey(instant: Instant(secondsSince1970: 60), rank: .data, factID: "")
  private static let late = OrderKey(instant: Instant(secondsSince1970: 120), rank: .data, factID: "")
  private static let keys: [OrderKey?] = [nil, early, late]
  private static let corrections: [Register<CorrectionVerdict>?] =
    [nil]
    + [early, late].flatMap { key in
      CorrectionVerdict.allCases.map { Register(key: key, value: $0) }
    }
  private static let paths: [any WritableKeyPath<ConnectionRegisters, OrderKey?> & Sendable] = [
    \.authKey, \.degradedKey, \.aliveKey, \.failedKey, \.revokedKey, \.deauthenticatedKey, \.data,
  ]

  private static func state(_ index: Int) -> ConnectionRegisters {
    var rest = index
    var state = ConnectionRegisters()
    for path in paths {
      state[keyPath: path] = keys[rest % 3]
      rest /= 3
    }
    state.superseded = keys[rest % 3].map { Register(key: $0, value: "new") }
    state.correction = corrections[rest / 3]
    return state
  }

  /// The inverse of `state`; nil for what is no state of the domain.
  private static func index(_ state: ConnectionRegisters) -> Int? {
    guard state.superseded?.value ?? "new" == "new", state.referenceID == nil, state.resource == nil,
      state.scopes == nil, let correction = corrections.firstIndex(of: state.correction),
      let superseded = digit(state.superseded?.key)
    else { return nil }
    var index = correction * 3 + superseded
    for key in [
      state.data, state.deauthenticatedKey, state.revokedKey, state.failedKey, state.aliveKey, state.degradedKey,
      state.authKey,
    ] {
      guard let digit = digit(key) else { return nil }
      index = index * 3 + digit
    }
    return index
  }

  private static func digit(_ key: OrderKey?) -> Int? {
    guard let key else { return 0 }
    if key == early { return 1 }
    return key == late ? 2 : nil
  }

  @Test func joiningFactsIsCommutativeAndIdempotentInEveryState() {
    let states = (0..<32_805).map(Self.state)
    #expect(states.indices.allSatisfy { Self.index(states[$0]) == $0 })
    let evidence: [Evidence] = [
      .data, .permissionChange, .connectionError, .failure, .auth, .revoked, .deauthenticated, .superseded(by: "new"),
      .correction(.alive), .correction(.gone),
    ]
    let facts = [Self.early, Self.late].flatMap { key in evidence.map { ConnectionRegisters(of: $0, key: key) } }

    // next[s][a] is the state s·a, so that the laws over pairs need no further join.
    var misses = 0
    let next = states.map { state in
      facts.map { fact in
        guard let index = Self.index(state.joined(with: fact)) else {
          misses += 1
          return 0
        }
        return index
      }
    }
    #expect(misses == 0, "every s·a is one of the states")

    var unequal = 0
    for transitions in next {
      for a in transitions.indices {
        let afterA = next[transitions[a]]
        if afterA[a] != transitions[a] { unequal += 1 }
        for b in (a + 1)..<max(a + 1, transitions.count) where afterA[b] != next[transitions[b]][a] { unequal += 1 }
      }
    }
    #expect(unequal == 0)
  }

  @Test func aNullErasesNothing() {
    let named = ConnectionRegisters(
      of: .auth, key: Self.early, attributes: .init(referenceID: "r", resource: "FITBIT", scopes: "A,B"))
    let silent = ConnectionRegisters(
      of: .auth, key: Self.late, attributes: .init(referenceID: nil, resource: "", scopes: nil))
    let joined = named.joined(with: silent)
    #expect(joined == silent.joined(with: named))
    #expect(joined.referenceID?.value == "r")
    #expect(joined.resource?.value == "FITBIT")
    #expect(joined.scopes?.value == "A,B")
    #expect(joined.authKey == Self.late)
  }

  @Test func valuesOfTheLatestFactThatNamesOneCount() {
    let key = { (instant: Int64) in OrderKey(instant: Instant(microseconds: instant), rank: .auth, factID: "f") }
    let facts = [(1, "X"), (2, nil), (3, "Y"), (4, nil)].map { instant, value in
      ConnectionRegisters(of: .auth, key: key(instant), attributes: .init(referenceID: value))
    }
    let results = Set(permutations(of: 4).map { $0.reduce(ConnectionRegisters()) { $0.joined(with: facts[$1]) } })
    #expect(results.map(\.referenceID?.value) == ["Y"])
  }

  @Test func dataOfOneMinuteIsOneFact() {
    let first = ConnectionFact(
      userID: "u", evidence: .data, at: Instant(microseconds: 60_000_001), factID: "a",
      attributes: .init(referenceID: "r"))
    let second = ConnectionFact(userID: "u", evidence: .data, at: Instant(microseconds: 119_999_999), factID: "b")
    #expect(first == second)
    #expect(first.orderKey.rawValue == "0000000060000000:0:")
    #expect(first.registers.lastDataAt == Instant(secondsSince1970: 60))
    #expect(first.registers.referenceID == nil)
  }
}
