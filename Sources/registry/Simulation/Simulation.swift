import ConnectionRegistry
import Foundation
import Logging

/// Many worlds, one after the other, on one registry and one database: each seed has tenants of its own.
struct Simulation: Sendable {
  /// What one seed came to.
  struct World: Sendable {
    /// What happened.
    let plan: SimulationPlan
    /// What the oracle says.
    let verdict: SimulationVerdict
    /// Runs that found something new after everything was settled, or could not be completed then.
    let unsettled: [ReconciliationRun]
    /// What was repaired.
    let repaired: Int64
    /// How long it took, in seconds.
    let seconds: Double

    /// The seed.
    var seed: UInt64 { plan.seed }
    /// Whether nothing differs and nothing is left.
    var holds: Bool { verdict.agrees && unsettled.isEmpty }
  }

  let files: SimulationFiles
  let logger: Logger
  /// Where accounts are written.
  let directory: String

  /// Plays worlds and has each judged.
  ///
  /// - Parameters:
  ///   - seeds: one world each.
  ///   - connectionInfo: a database with the registry's schema and nothing else; its clock is replaced.
  ///   - played: is told of each world once it is judged.
  /// - Returns: what each came to, in the order of the seeds. The accounts of those that do not hold stay in the directory.
  /// - Throws: ``DemoError``, `RegistryError`, `PostgresError`, `CancellationError`.
  func run(
    _ seeds: [UInt64], on connectionInfo: String, played: @escaping @Sendable (World) -> Void = { _ in }
  ) async throws -> [World] {
    try await files.oracle.check()
    return try await SimulationStage.with(connectionInfo, files: files, logger: logger) { stage in
      var worlds: [World] = []
      for seed in seeds {
        try Task.checkCancellation()
        let world = try await play(seed, on: stage)
        played(world)
        worlds.append(world)
      }
      return worlds
    }
  }

  private func play(_ seed: UInt64, on stage: SimulationStage) async throws -> World {
    let began = ContinuousClock.now
    let plan = SimulationPlan(seed: seed)
    let account = SimulationAccount()
    let place = try SimulationDirectory(in: directory, seed: seed)
    try await SimulatedWorld.with(plan, stage: stage, logger: logger) { world in
      try await world.play(account)
      try await account.write(world, to: place)
    }
    let world = World(
      plan: plan, verdict: try await files.oracle.judge(place), unsettled: await account.unsettled,
      repaired: await account.repaired, seconds: (ContinuousClock.now - began) / .seconds(1))
    if world.holds { place.remove() }
    return world
  }
}
