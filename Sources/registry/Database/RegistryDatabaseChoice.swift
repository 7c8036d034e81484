import ConnectionRegistry
import Logging
import RegistryPostgres

/// The database that a command works on.
struct RegistryDatabaseChoice: Sendable {
  /// Where it is, as libpq reads it; empty leaves it to libpq's own variables.
  let url: String
  /// The master keys of the private cluster; nil means those of the settings.
  let masterKeys: String?
  let logger: Logger

  /// Whether it is the private cluster.
  var isPrivate: Bool { masterKeys != nil }

  /// The registry's configuration for this database.
  ///
  /// - Parameters:
  ///   - settings: Where everything else is read.
  ///   - publicURL: Under which URL the service is reached, unless the settings say so.
  /// - Returns: The configuration.
  /// - Throws: `RegistryError` that names the setting.
  func configuration(
    settings: CommandSettings, publicURL: String? = nil
  ) throws -> ConnectionRegistry.Configuration {
    var changes = ["REGISTRY_DATABASE_URL": url]
    if let masterKeys { changes["REGISTRY_MASTER_KEYS"] = masterKeys }
    if settings.publicURL == nil, let publicURL { changes["REGISTRY_PUBLIC_URL"] = publicURL }
    return try ConnectionRegistry.Configuration(reader: settings.reader(changes))
  }

  /// Does something with a migrator of this database.
  ///
  /// - Parameter body: What to do.
  /// - Returns: What the body returns.
  /// - Throws: What the body throws.
  func withMigrator<Result: Sendable>(_ body: (Migrator) async throws -> Result) async throws -> Result {
    var configuration = PostgresPool.Configuration(url)
    // One for the migration, one for the lock of a migration that runs without a transaction.
    configuration.maximumConnections = 2
    let pool = PostgresPool(configuration: configuration, logger: logger)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await pool.run() }
      let result = try await body(Migrator(pool: pool, logger: logger))
      group.cancelAll()
      return result
    }
  }

  /// Brings the schema to what this binary needs.
  ///
  /// - Throws: `MigrationError`, `PostgresError`.
  func migrate() async throws {
    _ = try await withMigrator { try await $0.apply() }
  }

  /// Makes sure that this binary can work on the schema.
  ///
  /// - Throws: `MigrationError`, `PostgresError`.
  func requireSchema() async throws {
    try await withMigrator { migrator in
      try await migrator.requireMigrated()
      try await migrator.requireChangesInOrder()
    }
  }
}
