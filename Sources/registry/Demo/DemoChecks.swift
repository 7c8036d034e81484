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

  /// Writes the checks down.
  ///
  /// - Parameter outcome: what the demo came to.
  init(_ outcome: DemoOutcome) {
    let process = ProcessInfo.processInfo
    self.machine = [
      "system": process.operatingSystemVersionString, "cores": String(process.activeProcessorCount),
      "memory_bytes": String(process.physicalMemory),
    ]
    self.versions = [
      "registry": DemoOutcome.build, "postgresql": String(outcome.postgresVersion), "oracle": "scripts/oracle.py",
    ]
    self.seed = outcome.seed
    self.rounds = 1
    self.checks =
      outcome.comparison.kinds.map { kind in
        Check(
          name: kind.kind, value: Double(kind.found), unit: "findings", bar: Double(kind.expected),
          holds: kind.agrees && kind.expected > 0)
      } + [
        Check(
          name: "lost_or_invented", value: Double(outcome.comparison.breaches.count), unit: "records", bar: 0,
          holds: outcome.comparison.breaches.isEmpty)
      ]
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
