import ConnectionRegistry
import ConnectionRegistryHummingbird
import Foundation
import Hummingbird
import HummingbirdCore
import Logging
import RegistryPostgres

/// The registry of a simulation: its own code on a real database and over real HTTP, at a time that is set, not waited for.
struct SimulationStage: Sendable {
  /// The registry.
  let registry: ConnectionRegistry
  /// Where it answers.
  let url: String
  /// The time of everything: of the registry, of the stand-in for Terra, and of the database.
  let clock: SimulationClock
  private let owner: PostgresPool
  private let advance: String

  /// Runs a registry for as long as a closure runs.
  ///
  /// - Parameters:
  ///   - connectionInfo: a database with the registry's schema and nothing else; its clock is replaced.
  ///   - files: the clock's statements.
  ///   - logger: gets problems.
  ///   - body: uses it.
  /// - Returns: what the closure returns.
  /// - Throws: what the closure throws, and why the registry cannot be set up.
  static func with<Value: Sendable>(
    _ connectionInfo: String, files: SimulationFiles, logger: Logger,
    _ body: @escaping @Sendable (SimulationStage) async throws -> Value
  ) async throws -> Value {
    // Before the registry connects: only new sessions of the database see the clock.
    try await PostgresPool.withPool(.init(connectionInfo), logger: logger) { pool in
      try await pool.withConnection { try await $0.executeScript(files.clock) }
    }
    let clock = SimulationClock()
    let reservation = try PortReservation(host: "127.0.0.1", port: 0)
    let url = "http://127.0.0.1:\(reservation.port)"
    var configuration = ConnectionRegistry.Configuration(
      databaseURL: connectionInfo, publicURL: url, masterKeys: try MasterKeyRing(MasterKeyRing.newKey()))
    configuration.runsSchedule = false
    configuration.deliveries.areSent = false
    configuration.terraQuestionsPerSecond = 10_000
    configuration.now = { clock.now() }
    // What Terra asks for is asked for again at once: that it passes is the simulation's to say.
    configuration.pause = { _ in }
    let registry = ConnectionRegistry(configuration: configuration, logger: logger)
    let router = Router()
    router.addMiddleware { RegistryRequestMiddleware() }
    router.addRegistryRoutes(registry, [.webhooks, .callbacks])
    // It complains of connections that end with it.
    var quiet = logger
    quiet.logLevel = .critical
    let (listening, continuation) = AsyncStream.makeStream(of: Void.self)
    let server = Application(
      router: router, server: .http1(configuration: .init(additionalChannelHandlers: [BodyArrivalHandler()])),
      configuration: .init(address: .hostname("127.0.0.1", port: reservation.port)),
      onServerRunning: { _ in
        reservation.release()
        continuation.finish()
      }, logger: quiet)
    return try await PostgresPool.withPool(.init(connectionInfo), logger: logger) { owner in
      let stage = SimulationStage(registry: registry, url: url, clock: clock, owner: owner, advance: files.advance)
      return try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask {
          try await registry.run()
          return nil
        }
        group.addTask {
          try await server.run()
          return nil
        }
        group.addTask {
          for await _ in listening {}
          return try await body(stage)
        }
        defer { group.cancelAll() }
        while let ended = try await group.next() {
          if let ended { return ended }
          try Task.checkCancellation()
        }
        throw CancellationError()
      }
    }
  }

  /// Sets the time of everything ahead to a moment; one that is past changes nothing but who is woken.
  ///
  /// - Parameter moment: the time that it shall be.
  /// - Throws: `PostgresError`.
  func jump(to moment: Date) async throws {
    let ahead = max(clock.ahead, moment.timeIntervalSince(Date()))
    try await owner.execute(advance, [.double(ahead)])
    clock.set(ahead: ahead)
  }
}
