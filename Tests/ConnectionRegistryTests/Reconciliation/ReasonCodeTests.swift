@testable import ConnectionRegistry
import Foundation
import RegistryModel
import TestDatabase
import TestRandom
import Testing

/// What random worlds give rise to is what is described.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct ReasonCodeTests {
  private static var rounds: Int { ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1" ? 60 : 6 }

  @Test func everyCodeThatAFindingGivesIsOneOfItsKind() async throws {
    let seed = TestSeed.take()
    try await withStage { stage in
      var given: Set<String> = []
      for round in 0..<Self.rounds {
        let facts = RandomFacts(seed: seed &+ UInt64(round), origin: Date().addingTimeInterval(-9 * 86_400))
        try await stage.replace(with: facts)
        _ = try await stage.registry.reconciliations.run(tenant: "acme", isFull: true)
        given.formUnion(
          try await stage.texts("SELECT DISTINCT concat_ws(' ', kind, reason_code) FROM registry.finding"))
      }
      let described = Set(FindingKind.allCases.flatMap { kind in kind.reasonCodes.map { "\(kind.rawValue) \($0)" } })
      #expect(given.isSubset(of: described), "not described: \(given.subtracting(described).sorted()), seed \(seed)")
      let kinds = Set(given.compactMap { $0.split(separator: " ").first })
      #expect(kinds.count >= 8, "hardly any kind was found: \(kinds.sorted())")
    }
  }
}
