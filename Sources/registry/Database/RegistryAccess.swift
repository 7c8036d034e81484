import ConnectionRegistry
import EmbeddedPostgres
import Foundation
import Logging

/// How a command reaches the registry: the database that was given, or the private cluster.
struct RegistryAccess: Sendable {
  let settings: CommandSettings
  let logger: Logger

  /// Reads the settings.
  ///
  /// - Parameters:
  ///   - database: The options that name a database.
  ///   - logLevel: The log level unless `REGISTRY_LOG_LEVEL` names one.
  /// - Throws: ``SettingError``.
  init(_ database: DatabaseOptions, logLevel: Logger.Level = .warning) throws {
    try self.init(settings: CommandSettings(databaseURL: database.databaseURL), logLevel: logLevel)
  }

  /// Takes settings that were read before.
  ///
  /// - Parameters:
  ///   - settings: The settings.
  ///   - logLevel: The log level unless the settings name one.
  init(settings: CommandSettings, logLevel: Logger.Level = .warning) {
    self.settings = settings
    logger = settings.logger(label: "registry", level: logLevel)
  }

  /// Does something with a running registry whose schema this binary knows.
  ///
  /// - Parameters:
  ///   - database: The options that name a database.
  ///   - body: What to do.
  /// - Returns: What the body returns.
  /// - Throws: What the body throws, and why the registry cannot be reached.
  static func withRegistry<Result: Sendable>(
    _ database: DatabaseOptions, _ body: (ConnectionRegistry) async throws -> Result
  ) async throws -> Result {
    let access = try RegistryAccess(database)
    return try await access.withDatabase { database in
      try await database.requireSchema()
      var configuration = try database.configuration(settings: access.settings)
      // Who asks alone has nobody to share a transaction with.
      configuration.laneConnections = 0
      configuration.deliveries.areSent = false
      configuration.runsSchedule = false
      let registry = ConnectionRegistry(configuration: configuration, logger: access.logger)
      return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await registry.run() }
        let result = try await body(registry)
        group.cancelAll()
        return result
      }
    }
  }

  /// Does something with the database; the private one is started, migrated and given back.
  ///
  /// - Parameter body: What to do.
  /// - Returns: What the body returns.
  /// - Throws: What the body throws, and `EmbeddedPostgresError`.
  func withDatabase<Result: Sendable>(_ body: (RegistryDatabaseChoice) async throws -> Result) async throws -> Result {
    if let url = settings.databaseURL {
      return try await body(RegistryDatabaseChoice(url: url, masterKeys: nil, logger: logger))
    }
    var configuration = EmbeddedPostgres.Configuration(stateDirectory: settings.stateDirectory)
    configuration.durability = .durable
    let cluster = try await EmbeddedPostgres.start(configuration, logger: logger)
    let result: Swift.Result<Result, any Error>
    do {
      if cluster.startedServer {
        Progress.say("No database is given: started the private PostgreSQL cluster in \(cluster.stateDirectory).")
      }
      let keys = try settings.environment["REGISTRY_MASTER_KEYS"] ?? MasterKeyFile.keys(in: cluster.stateDirectory)
      let database = RegistryDatabaseChoice(url: cluster.connectionInfo, masterKeys: keys, logger: logger)
      try await database.migrate()
      result = .success(try await body(database))
    } catch {
      result = .failure(error)
    }
    do {
      try await cluster.stop()
    } catch {
      logger.warning("The private cluster did not stop.", metadata: ["error": "\(error)"])
    }
    return try result.get()
  }
}

/// Says on standard error what is going on, for the person at the terminal.
enum Progress {
  /// Writes one line.
  ///
  /// - Parameter sentence: What is going on.
  static func say(_ sentence: String) {
    StandardError.write(sentence + "\n")
  }
}
