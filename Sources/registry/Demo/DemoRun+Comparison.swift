import Foundation
import TerraSandbox

extension DemoRun {
  /// What the oracle is told beside the ledger.
  private struct Parameters: Encodable {
    struct Tenant: Encodable {
      let grace: Double
      let expiry: Double
      let horizon: Double
      let signatureFailingAfter: Double

      enum CodingKeys: String, CodingKey {
        case grace, expiry, horizon
        case signatureFailingAfter = "signature_failing_after"
      }
    }

    let reconciledAt: Double
    let tenants: [String: Tenant]

    enum CodingKeys: String, CodingKey {
      case tenants
      case reconciledAt = "reconciled_at"
    }
  }

  /// The lists that the oracle reads, and the commands that print them.
  private static let lists = [
    ("findings", ["finding", "list"]), ("events", ["event", "list"]), ("receipts", ["event", "receipts"]),
    ("callbacks", ["callback", "list"]), ("sessions", ["session", "list"]), ("connections", ["connection", "list"]),
  ]

  /// Reconciles, and holds what is found against what the oracle expects.
  ///
  /// - Parameters:
  ///   - commands: this executable's commands.
  ///   - sandbox: has the ledger.
  ///   - tally: what the traffic came to.
  ///   - postgresVersion: the server's major version.
  /// - Returns: what the demo came to.
  /// - Throws: ``DemoError`` when a command or the oracle fails.
  func reconcile(
    _ commands: DemoCommandLine, _ sandbox: Sandbox, _ tally: DemoTraffic.Tally, postgresVersion: Int
  ) async throws -> DemoOutcome {
    self.progress.begin("Reconciling \(DemoTenant.all.count) tenants")
    let reconciledAt = Date().timeIntervalSince1970
    let began = ContinuousClock.now
    try await commands.run(["reconcile", "run", "--format", "json"])
    let reconcileSeconds = (ContinuousClock.now - began) / .seconds(1)

    self.progress.begin("Collecting what was found")
    var examples: [String: JSONValue] = [:]
    for tenant in DemoTenant.all {
      let directory = "\(self.directory.found)/\(tenant.slug)"
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
      for (name, words) in Self.lists {
        let data = try await commands.run(words + ["--tenant", tenant.slug, "--all", "--format", "json"])
        try data.write(to: URL(fileURLWithPath: "\(directory)/\(name).json"))
        guard name == "findings",
          case .array(let items) = try JSONDecoder().decode(JSONValue.self, from: data)[path: "items"]
        else { continue }
        for item in items { Self.keepBest(item, in: &examples) }
      }
    }

    self.progress.begin("Working out from the ledger what must be found")
    let tenant = Parameters.Tenant(
      grace: self.settings.grace, expiry: self.settings.sessionExpiry, horizon: self.settings.horizon,
      signatureFailingAfter: self.settings.signatureFailingAfter)
    let parameters = Parameters(
      reconciledAt: reconciledAt,
      tenants: Dictionary(uniqueKeysWithValues: DemoTenant.all.map { ($0.slug, tenant) }))
    try JSONEncoder().encode(parameters).write(to: URL(fileURLWithPath: self.directory.parameters))
    let comparison = try await self.oracle.compare(self.directory, environment: commands.environment)
    return DemoOutcome(
      seed: self.settings.seed, appUsers: self.population.appUsers,
      figures: DemoFigures(await sandbox.ledger.records()),
      repetitions: tally.repetitions, problems: tally.problems, kills: self.options.killService ? 1 : 0,
      reconcileSeconds: reconcileSeconds, comparison: comparison,
      examples: comparison.kinds.compactMap { examples[$0.kind] }, postgresVersion: postgresVersion,
      seconds: self.progress.elapsed)
  }

  /// Keeps one finding of each kind: the one with the most evidence shows most.
  private static func keepBest(_ finding: JSONValue, in examples: inout [String: JSONValue]) {
    guard case .string(let kind) = finding[path: "kind"] else { return }
    func evidence(_ finding: JSONValue?) -> Int {
      guard case .array(let items)? = finding?[path: "evidence"] else { return -1 }
      return items.count
    }
    if evidence(finding) > evidence(examples[kind]) { examples[kind] = finding }
  }
}
