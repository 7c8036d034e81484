import Foundation

/// The result as a file for programs.
struct DemoChecks: Encodable, Sendable {
  /// One bar and what was measured.
  struct Check: Encodable, Sendable {
    /// The kind of finding.
    let name: String
    /// How many were found.
    let value: Double
    /// What is counted.
    let unit: String
    /// How many were expected.
    let bar: Double
    /// Whether they are the same ones.
    let holds: Bool
  }

  /// What the demo ran on.
  let machine: [String: String]
  /// What it was made of.
  let versions: [String: String]
  /// The seed.
  let seed: UInt64
  /// How often it was measured.
  let rounds: Int
  /// One check per kind of finding, and those beside them.
  let checks: [Check]

  private init(seed: UInt64, rounds: Int, postgresVersion: Int, oracle: String, checks: [Check]) {
    let process = ProcessInfo.processInfo
    self.machine = [
      "system": process.operatingSystemVersionString, "cores": String(process.activeProcessorCount),
      "memory_bytes": String(process.physicalMemory),
    ]
    self.versions = ["registry": DemoOutcome.build, "postgresql": String(postgresVersion), "oracle": oracle]
    self.seed = seed
    self.rounds = rounds
    self.checks = checks
  }

  /// Writes the checks of a simulation down.
  ///
  /// - Parameter outcome: what its worlds came to.
  init(_ outcome: SimulationOutcome) {
    self.init(
      seed: outcome.seed, rounds: outcome.worlds.count, postgresVersion: outcome.postgresVersion,
      oracle: "scripts/oracle_story.py", checks: outcome.checks)
  }

  /// Writes the checks of a demo down.
  ///
  /// - Parameter outcome: what the demo came to.
  init(_ outcome: DemoOutcome) {
    let checks =
      outcome.comparison.kinds.map { kind in
        Check(
          name: kind.kind, value: Double(kind.found), unit: "findings", bar: Double(kind.expected),
          holds: kind.agrees && kind.expected > 0)
      } + [
        Check(
          name: "lost_or_invented", value: Double(outcome.comparison.breaches.count), unit: "records", bar: 0,
          holds: outcome.comparison.breaches.isEmpty)
      ]
    self.init(
      seed: outcome.seed, rounds: 1, postgresVersion: outcome.postgresVersion, oracle: "scripts/oracle.py",
      checks: checks)
  }

  /// The file's content.
  ///
  /// - Returns: JSON.
  /// - Throws: `EncodingError`.
  func data() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(self)
  }
}
