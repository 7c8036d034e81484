import Logging
import RegistryPostgres
import TestDatabase

/// Runs a pool on the test's own database.
@discardableResult
func withTestPool<Value: Sendable>(
  role: String? = nil, logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
  _ configure: (inout PostgresPool.Configuration) -> Void = { _ in },
  _ body: (PostgresPool) async throws -> sending Value
) async throws -> Value {
  var configuration = PostgresPool.Configuration.patient(TestDatabase.current, role: role)
  configuration.maximumConnections = 4
  // On a busy machine a server may take its time to cancel, and most tests want to keep the connection.
  configuration.cancelGrace = .seconds(60)
  configure(&configuration)
  return try await PostgresPool.withPool(configuration, logger: logger, body)
}

/// What an operation throws, for looking at it closely.
func postgresError(_ body: () async throws -> some Any) async -> PostgresError? {
  do {
    _ = try await body()
    return nil
  } catch {
    return PostgresError.first(in: error)
  }
}
