import ArgumentParser
import ConnectionRegistry
import Foundation
import Logging
import RegistryPostgres

/// Runs one workload for some seconds and prints one line of JSON.
struct Measure: AsyncParsableCommand {
  enum Mode: String, ExpressibleByArgument, CaseIterable {
    case lane, pool, threads
  }

  enum Workload: String, ExpressibleByArgument, CaseIterable {
    case select, upsert, read, intake
  }

  @Option(help: "A libpq URL or keyword list.") var connection: String
  @Option(help: "The file that holds the statement, which must be the one that was built in.") var statement: String
  @Option(help: "select, upsert, read or intake.") var workload: Workload
  @Option(help: "lane, pool or threads.") var mode = Mode.lane
  @Option(help: "How many callers at once.") var tasks = 64
  @Option(help: "How many connections; threads have one each.") var connections = 2
  @Option(help: "How long to measure, in seconds.") var seconds = 3.0
  @Option(help: "How long to run before measuring, in seconds.") var warmup = 0.5
  @Option(help: "Of the keys.") var seed: UInt64 = 1
  @Option(help: "How many rows the table holds.") var rows = 1_000_000
  @Option(help: "The role to work as.") var role: String?
  @Option(help: "How long a thread may be held to wait for an answer, in microseconds.") var directWait: Int?

  func run() async throws {
    let work = Work(workload: workload, rows: rows)
    guard try String(contentsOfFile: statement, encoding: .utf8) == work.text else {
      throw ValidationError("\(statement) is not what this program was built with: build it again")
    }
    let window = Window(warmup: .seconds(warmup), length: .seconds(seconds))
    let measurement: Measurement
    switch mode {
    case _ where workload == .intake:
      measurement = try await takeIn(window)
    case .threads:
      measurement = try ThreadBaseline(connection: connection, work: work, threads: tasks).run(window, seed: seed)
    case .pool:
      var configuration = PostgresPool.Configuration(connection, role: role)
      configuration.maximumConnections = connections
      measurement = try await PostgresPool.withPool(configuration, logger: Self.logger) { pool in
        try await measure(work, on: pool, window)
      }
    case .lane:
      var configuration = PostgresLane.Configuration(connection, role: role)
      configuration.connections = connections
      configuration.repeatsAfterLoss = true
      if let directWait { configuration.directWait = .microseconds(directWait) }
      measurement = try await PostgresLane.withLane(configuration, logger: Self.logger) { lane in
        try await measure(work, on: lane, window)
      }
    }
    FileHandle.standardOutput.write(try JSONEncoder().encode(measurement.report) + Data("\n".utf8))
  }

  private func measure(
    _ work: Work, on executor: some PostgresExecutor & PostgresBatchExecutor, _ window: Window
  ) async throws -> Measurement {
    let callers = Callers(count: tasks, seed: seed)
    if workload == .read {
      return try await callers.run(window) { ReadCaller(work: work, executor: executor, generator: $0) }
    }
    return try await callers.run(window) { StatementCaller(work: work, executor: executor, generator: $0) }
  }

  /// The intake through the registry itself: its lanes, its settings, as the service has them.
  private func takeIn(_ window: Window) async throws -> Measurement {
    let keys = try MasterKeyRing(Data(repeating: 7, count: 32).base64EncodedString())
    let registry = ConnectionRegistry(
      configuration: .init(databaseURL: connection, publicURL: "http://localhost:8080", masterKeys: keys),
      logger: Self.logger)
    let (tasks, seed) = (tasks, seed)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await registry.run() }
      defer { group.cancelAll() }
      return try await Callers(count: tasks, seed: seed).run(window) {
        IntakeCaller(registry: registry, generator: $0)
      }
    }
  }

  private static var logger: Logger {
    var logger = Logger(label: "benchmark", factory: { StreamLogHandler.standardError(label: $0) })
    logger.logLevel = .warning
    return logger
  }
}
