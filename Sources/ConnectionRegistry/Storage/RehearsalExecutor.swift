import Foundation
import RegistryPostgres

/// Runs batches in a transaction that stands open, one after another; what they set is that transaction's matter.
struct RehearsalExecutor: PostgresBatchExecutor {
  /// A statement's failure, which ends the whole transaction: it must not be repeated by itself.
  struct Failure: Error {
    let underlying: PostgresError
  }

  /// How long one statement may take.
  static let statementLimit: Duration = .seconds(300)

  let transaction: PostgresTransaction

  nonisolated(nonsending) func execute(
    _ batch: PostgresBatch, deadline: ContinuousClock.Instant?
  ) async throws -> [PostgresResult] {
    var results: [PostgresResult] = []
    for statement in batch.statements {
      do {
        results.append(try await transaction.execute(statement, deadline: deadline ?? .now + Self.statementLimit))
      } catch let error as PostgresError {
        throw Failure(underlying: error)
      }
    }
    return results
  }
}

extension RegistryDatabase {
  private struct Over: Error {}

  /// Runs a closure on a database all of whose calls stand in one transaction, and rolls that back: the closure sees what
  /// it writes, nobody else ever does. It runs again where the server breaks the transaction off for others' sake, or is lost.
  ///
  /// - Parameters:
  ///   - tenantID: whose transaction it is; nil is across tenants.
  ///   - memory: how much each sort and join may take before it goes to disk, in MiB; nil is the server's setting.
  ///   - body: the work.
  /// - Returns: what the closure returned.
  /// - Throws: as ``run(_:locking:naming:compiles:limit:lockLimit:memory:_:)``, and what the closure throws.
  func rehearsing<Value: Sendable>(
    _ tenantID: UUID?, memory: Int? = nil, _ body: (RegistryDatabase) async throws -> Value
  ) async throws -> Value {
    guard let pool = (tenantID == nil ? worker : service) as? PostgresPool else {
      throw RegistryError(.internalFailure, "a rehearsal takes a pool of connections")
    }
    var settings = try Self.settings(compiles: false, limit: nil, memory: memory)
    if let tenantID { settings.append(try PostgresBatch.Setting("registry.tenant_id", tenantID)) }
    var tries = 1
    while true {
      var value: Value?
      do {
        try await pool.withTransaction(settings: settings) { transaction in
          let executor = RehearsalExecutor(transaction: transaction)
          value = try await body(RegistryDatabase(service: executor, lanes: nil, worker: executor, logger: logger))
          throw Over()
        }
      } catch {
        // A ROLLBACK that fails closes the connection, which rolls back as well.
        let transactional = error as? PostgresTransactionError
        let cause = transactional?.bodyError ?? transactional?.underlying ?? error
        if cause is Over, let value { return value }
        let failure = (cause as? RehearsalExecutor.Failure)?.underlying ?? cause
        // Nothing takes effect, so everything may be repeated.
        guard tries < Self.maximumTries, let refusal = failure as? PostgresError, refusal.isRetryableWhenIdempotent
        else { throw Self.named(failure) }
        try await pause(afterTry: tries, refusal)
        tries += 1
      }
    }
  }
}
