import Foundation
import RegistryPostgres

extension RegistryDatabase {
  /// Runs a statement of the tenant that only reads, and hands its rows to a closure as they come, in constant memory. It
  /// is begun again only where nothing has come of it.
  ///
  /// - Parameters:
  ///   - tenantID: whose transaction it is.
  ///   - statement: what to run.
  ///   - body: what is done with the rows.
  /// - Returns: what the closure returned.
  /// - Throws: as ``run(_:locking:naming:compiles:limit:lockLimit:memory:_:)``, and what the closure throws.
  func streaming<Value: Sendable>(
    _ tenantID: UUID, _ statement: BoundStatement, _ body: (PostgresRowSequence) async throws -> Value
  ) async throws -> Value {
    guard let pool = service as? PostgresPool else {
      throw RegistryError(.internalFailure, "rows are streamed from a pool of connections")
    }
    // How long it takes is up to who reads: a limit of the server's own would break it off.
    let settings =
      [try PostgresBatch.Setting("registry.tenant_id", tenantID)]
      + (try Self.settings(compiles: false, limit: .zero, memory: nil))
    var tries = 1
    while true {
      var hasBegun = false
      do {
        return try await pool.withTransaction(settings: settings, level: .serverDefault.readOnly) { transaction in
          try await transaction.withRows(statement.postgres) { rows in
            hasBegun = true
            return try await body(rows)
          }
        }
      } catch {
        let transactional = error as? PostgresTransactionError
        let cause = transactional?.bodyError ?? transactional?.underlying ?? error
        guard !hasBegun, tries < Self.maximumTries, let refusal = cause as? PostgresError,
          refusal.isRetryableWhenIdempotent
        else { throw Self.named(cause) }
        try await pause(afterTry: tries, refusal)
        tries += 1
      }
    }
  }
}
