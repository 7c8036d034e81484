import ConnectionRegistry
import Logging
import RegistryPostgres

/// The database that migrated databases are copied from; nobody is connected to it once it is made.
actor SchemaTemplate {
  private var making: Task<String, any Error>?

  /// The template's name. The first caller migrates it, the others wait for the same one.
  ///
  /// - Parameter makeDatabase: Makes an empty database and returns its connection string.
  /// - Returns: A name for `CREATE DATABASE … TEMPLATE`.
  /// - Throws: What `makeDatabase` and the migrator throw.
  func name(_ makeDatabase: @escaping @Sendable () async throws -> String) async throws -> String {
    if let making { return try await making.value }
    let task = Task {
      let connectionInfo = try await makeDatabase()
      try await PostgresPool.withPool(.patient(connectionInfo), logger: Logger(label: "template")) { pool in
        _ = try await Migrator(pool: pool).apply()
      }
      guard let name = connectionInfo.split(separator: "dbname=").last else { throw CancellationError() }
      return String(name)
    }
    making = task
    return try await task.value
  }
}
