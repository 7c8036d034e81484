import ArgumentParser
import ConnectionRegistry
import Foundation
import Logging
import RegistryPostgres

/// Brings an empty database to the registry's schema, by the registry's own migrator, and prints what one intake sends.
struct Prepare: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Makes the registry's schema in an empty database.")

  @Option(help: "A libpq URL or keyword list, of the owner to be.") var connection: String

  func run() async throws {
    let logger = Logger(label: "benchmark", factory: { StreamLogHandler.standardError(label: $0) })
    try await PostgresPool.withPool(PostgresPool.Configuration(connection), logger: logger) { pool in
      try await Migrator(pool: pool, logger: logger).apply()
    }
    FileHandle.standardOutput.write(try JSONEncoder().encode(IntakeDescription()) + Data("\n".utf8))
  }
}
