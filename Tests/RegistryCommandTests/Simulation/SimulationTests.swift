import ConnectionRegistry
import Foundation
import Logging
import TerraSandbox
import TestDatabase
import Testing

@testable import registry

/// Whole worlds against the oracle: what is found, what has ended, what lives in the end.
struct SimulationTests {
  /// All with REGISTRY_TEST_ALL=1, which takes some minutes; else one in which the key is changed behind a listing that
  /// is cut short, and one in which Terra has lost a part of its store.
  private static let seeds: [UInt64] =
    ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1" ? Array(1...200) : [13, 17]

  @Test(
    "Found is expected, nothing ends that lives, and what is repaired lives as it does at Terra", .migratedDatabase,
    .timeLimit(.minutes(60)))
  func worlds() async throws {
    let scripts = URL(filePath: #filePath).appending(path: "../../../../scripts/oracle.py").standardized.path
    let directory = NSTemporaryDirectory() + "simulation-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var logger = Logger(label: "simulation")
    logger.logLevel = .critical
    let simulation = Simulation(
      files: try SimulationFiles(oracle: scripts), logger: logger, directory: directory)
    let worlds = try await simulation.run(Self.seeds, on: TestDatabase.current)
    let outcome = SimulationOutcome(seed: Self.seeds[0], worlds: worlds, postgresVersion: 0, seconds: 0)
    #expect(outcome.holds, "\(SimulationReport(outcome).lines.joined(separator: "\n"))")
    #expect(outcome.wrongEndings == 0)
    #expect(worlds.allSatisfy { $0.verdict.comparisons == $0.plan.comparisons && $0.verdict.alive > 0 })
  }

  @Test("A seed repeats its world, and another one is another")
  func plans() {
    #expect(SimulationPlan(seed: 7) == SimulationPlan(seed: 7))
    #expect(SimulationPlan(seed: 7) != SimulationPlan(seed: 8))
  }

  @Test("Two hundred seeds hold every fault of a listing, every way to connect and every fault of an attempt")
  func variety() {
    let plans = (1...200).map { SimulationPlan(seed: $0) }
    let troubles = Set(plans.flatMap(\.rounds).flatMap(\.troubles).compactMap { $0 })
    let faults = ListingFault.allCases
    #expect(troubles == Set(faults.map { .listing($0) } + faults.map { .listingAndKey($0) } + [.wrongKey]))
    let unanswered = Set(plans.flatMap(\.rounds).filter(\.repairs).flatMap(\.userInfoFaults).compactMap { $0 })
    #expect(unanswered == Set(UserInfoFault.allCases))
    // What Terra has lost in earnest, single answers included, must be more than may end without a person looking.
    for plan in plans {
      for round in plan.rounds {
        for (tenant, trouble) in zip(plan.tenants, round.troubles) where tenant.pillars <= 15 {
          #expect(trouble != .listing(.lostPart) && trouble != .listingAndKey(.lostPart))
        }
      }
    }
    #expect(plans.contains { $0.faults.combines } && plans.contains { !$0.faults.combines })
    #expect(Set(plans.map(\.comparisons)).isSuperset(of: 1...6) && plans.allSatisfy { $0.comparisons > 0 })
    #expect(plans.contains { plan in plan.tenants.contains { $0.rotatedAt != nil } })
    let ways = plans.flatMap(\.attempts).map(\.way)
    #expect(ways.contains { if case .direct = $0 { true } else { false } })
    #expect(ways.contains { if case .several = $0 { true } else { false } })
    #expect(
      plans.allSatisfy { (try? $0.faults.validate()) != nil && $0.faults.rates.count == SandboxFault.allCases.count })
  }
}
