import Foundation
import RegistryModel
import Testing

/// The registers against the sorted fold, over every set of facts up to a size and every order of arrival.
@Suite struct SortedFoldTests {
  private static let isExhaustive = ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1"

  private struct Tally {
    var sets = 0
    var orders = 0
    var mismatches: [String] = []
  }

  /// - Parameters:
  ///   - kinds: the kinds of facts.
  ///   - sizes: how many facts a set has.
  ///   - largestPermuted: up to this size every order is joined; of larger sets only the sorted one.
  /// - Returns: what was compared, and what differed.
  private static func compare(
    kinds: [ModelFact.Kind], sizes: ClosedRange<Int>, largestPermuted: Int
  ) -> Tally {
    var tally = Tally()
    for size in sizes {
      let orders = size <= largestPermuted ? permutations(of: size) : [Array(0..<size)]
      var registersByFact: [[ModelFact.Kind: ConnectionRegisters]] = []
      for instant in 1...size {
        registersByFact.append(
          Dictionary(
            uniqueKeysWithValues: kinds.map { ($0, ModelFact(instant: Int64(instant), kind: $0).registers) }))
      }
      forEachSequence(of: kinds, count: size) { sequence in
        let expected = sortedFold(sequence.enumerated().map { ModelFact(instant: Int64($0 + 1), kind: $1) })
        let registers = sequence.enumerated().compactMap { registersByFact[$0][$1] }
        var first: ConnectionRegisters?
        for order in orders {
          let joined = order.reduce(ConnectionRegisters()) { $0.joined(with: registers[$1]) }
          let isSame = first.map { $0 == joined } ?? true
          if !isSame || joined.status != expected {
            tally.mismatches.append("\(sequence) in order \(order): \(joined.status), expected \(expected)")
          }
          first = first ?? joined
          tally.orders += 1
        }
        if let first {
          let repeated = registers.reduce(first) { $0.joined(with: $1) }
          if repeated != first { tally.mismatches.append("\(sequence) repeated") }
        }
        tally.sets += 1
      }
    }
    return tally
  }

  @Test func agreesOverAllSetsOfUpToFourFactsInEveryOrder() {
    let tally = Self.compare(kinds: ModelFact.Kind.reference, sizes: 1...4, largestPermuted: 4)
    #expect(tally.sets == 7_380)
    #expect(tally.orders == 162_009)
    #expect(tally.mismatches.isEmpty, "\(tally.mismatches.prefix(3))")
  }

  @Test func agreesOverAllSetsOfFiveFacts() {
    let tally = Self.compare(
      kinds: ModelFact.Kind.reference, sizes: 5...5, largestPermuted: Self.isExhaustive ? 5 : 4)
    #expect(tally.sets == 59_049)
    #expect(tally.orders == (Self.isExhaustive ? 7_085_880 : 59_049))
    #expect(tally.mismatches.isEmpty, "\(tally.mismatches.prefix(3))")
  }

  @Test func agreesWithDataAsATenthKind() {
    let tally = Self.compare(kinds: ModelFact.Kind.allCases, sizes: 1...4, largestPermuted: 3)
    #expect(tally.sets == 11_110)
    #expect(tally.mismatches.isEmpty, "\(tally.mismatches.prefix(3))")
  }

  private static func status(_ facts: [(Int64, ModelFact.Kind)]) -> Set<ConnectionStatus> {
    let registers = facts.map { ModelFact(instant: $0, kind: $1).registers }
    return Set(
      permutations(of: facts.count).map { order in
        order.reduce(ConnectionRegisters()) { $0.joined(with: registers[$1]) }.status
      })
  }

  @Test func lateCorrections() {
    #expect(Self.status([(5, .deauthenticated), (10, .foundAlive), (20, .revoked)]) == [.revoked])
    #expect(Self.status([(1, .auth), (5, .deauthenticated), (10, .foundAlive)]) == [.active])
    #expect(Self.status([(1, .auth), (8, .degraded), (10, .foundAlive)]) == [.degraded])
    #expect(Self.status([(1, .foundGone), (2, .auth)]) == [.revoked])
    #expect(Self.status([(10, .auth), (20, .foundGone), (30, .foundAlive), (25, .revoked)]) == [.active])
    #expect(Self.status([(1, .foundGone)]) == [.failed])
    #expect(Self.status([(1, .failed), (2, .foundGone)]) == [.failed])
    #expect(Self.status([(1, .failed), (2, .foundAlive)]) == [.active])
  }

  @Test func dataIsNoSignOfLifeAndClearsOnlyAnEarlierError() {
    #expect(Self.status([(1, .data)]) == [.pending])
    #expect(Self.status([(1, .failed), (2, .data)]) == [.failed])
    #expect(Self.status([(1, .degraded), (2, .data)]) == [.active])
    #expect(Self.status([(2, .degraded), (1, .data)]) == [.degraded])
    #expect(Self.status([(1, .auth), (2, .degraded), (3, .foundAlive), (4, .data)]) == [.active])
    #expect(Self.status([(1, .auth), (2, .deauthenticated), (3, .data)]) == [.deauthenticated])
  }
}
