public import Logging
import RegistryPostgres

extension ConnectionRegistry {
  /// Brings a database's schema to what this version needs; does nothing where it is so already.
  ///
  /// Any number of processes may call it at once. In production `registry migrate apply` does the same, so that the service
  /// needs no login that may change the schema.
  ///
  /// - Parameters:
  ///   - configuration: where the database is; its login may create schemas and roles.
  ///   - logger: told of each migration at level info.
  /// - Throws: `MigrationError`; `PostgresError` where the database is lost.
  public static func migrate(_ configuration: Configuration, logger: Logger) async throws {
    var settings = PostgresPool.Configuration(configuration.databaseURL)
    // One for the migration, one for the lock of a migration that runs without a transaction.
    settings.maximumConnections = 2
    try await PostgresPool.withPool(settings, logger: logger) { pool in
      _ = try await Migrator(pool: pool, logger: logger).apply()
    }
  }
}
