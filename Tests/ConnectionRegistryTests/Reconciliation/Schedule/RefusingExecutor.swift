import RegistryPostgres

/// Passes batches on, but for those of one tenant that hold a statement of a name: they meet an error.
struct RefusingExecutor: PostgresBatchExecutor {
  let base: any PostgresBatchExecutor
  /// The tenant's id, as it is sent; nil is everybody's.
  let tenant: String?
  let statement: String
  let error: PostgresError

  nonisolated(nonsending) func execute(
    _ batch: PostgresBatch, deadline: ContinuousClock.Instant?
  ) async throws -> [PostgresResult] {
    let isRefused = batch.statements.contains {
      $0.name == statement && (tenant == nil || $0.parameters.first?.literal == tenant)
    }
    if isRefused { throw error }
    return try await base.execute(batch, deadline: deadline)
  }
}
