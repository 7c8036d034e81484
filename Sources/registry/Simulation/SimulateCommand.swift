import ArgumentParser
import ConnectionRegistry
import EmbeddedPostgres
import Foundation
import Logging
import RegistryPostgres

/// Plays random worlds, and holds what is found and repaired against what an oracle works out.
struct SimulateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Play random worlds on a clock of their own, and check what is found, ended and repaired.",
    discussion: """
      Each seed is a world: three tenants, app users who connect through a stand-in for Terra over HTTP, faults of \
      webhooks, redirects and of Terra's listing. Everything is compared several times; then the errors cease, what is \
      safe to repair is repaired, and what lives here must be what lives at Terra. It takes the whole repository and a \
      private PostgreSQL cluster, and touches no other database. The exit code is 1 when a bar is missed.
      """, shouldDisplay: false)

  @Option(help: ArgumentHelp("The first seed.", valueName: "n"))
  var seed: UInt64 = 1

  @Option(help: ArgumentHelp("How many seeds, one after the other.", valueName: "count"))
  var seeds = 200

  @Option(name: .customLong("json"), help: ArgumentHelp("Write the checks to this file as JSON.", valueName: "file"))
  var jsonFile: String?

  @Option(help: ArgumentHelp("The oracle; without it scripts/oracle.py above the executable.", valueName: "file"))
  var oracle: String?

  func validate() throws {
    guard seeds > 0 else { throw ValidationError("--seeds takes a number above 0.") }
  }

  func run() async throws {
    let files = try SimulationFiles(oracle: oracle)
    let outcome = try await Interruption.cancelling { try await simulate(files) }
    let output = StandardOutput()
    for line in SimulationReport(outcome).lines { try output.line(line) }
    if let jsonFile { try DemoChecks(outcome).data().write(to: URL(fileURLWithPath: jsonFile)) }
    if !outcome.holds { throw ExitCode(1) }
  }

  private func simulate(_ files: SimulationFiles) async throws -> SimulationOutcome {
    let progress = DemoProgress()
    let directory = try DemoDirectory(in: nil)
    var logger = Logger(label: "registry.simulation", factory: { StreamLogHandler.standardError(label: $0) })
    logger.logLevel = .error
    var configuration = EmbeddedPostgres.Configuration(stateDirectory: directory.state)
    configuration.durability = .volatile
    progress.begin("Starting a private PostgreSQL cluster")
    let cluster = try await EmbeddedPostgres.start(configuration, logger: logger)
    let outcome: Result<SimulationOutcome, any Error>
    do {
      let began = ContinuousClock.now
      try await PostgresPool.withPool(.init(cluster.connectionInfo), logger: logger) { pool in
        _ = try await Migrator(pool: pool, logger: logger).apply()
      }
      progress.begin("\(seeds) worlds")
      let last = seed + UInt64(seeds)
      let worlds = try await Simulation(files: files, logger: logger, directory: directory.found).run(
        Array(seed..<last), on: cluster.connectionInfo
      ) { world in
        progress.update("seed \(world.seed) of \(last - 1)" + (world.holds ? "" : " DIFFERS"))
      }
      outcome = .success(
        SimulationOutcome(
          seed: seed, worlds: worlds, postgresVersion: cluster.majorVersion,
          seconds: (ContinuousClock.now - began) / .seconds(1)))
    } catch {
      outcome = .failure(error)
    }
    progress.end()
    cluster.destroy()
    let holds = (try? outcome.get())?.holds
    directory.remove(keepsAccount: holds == false)
    if holds == false {
      StandardError.write("The accounts are in \(directory.found).\n")
    }
    return try outcome.get()
  }
}
