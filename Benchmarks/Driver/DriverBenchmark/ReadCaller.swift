import RegistryPostgres

/// Reads one key after the other as the service does: the tenant set, read-only, in the tenant's place among the
/// callers.
struct ReadCaller<Executor: PostgresBatchExecutor>: Caller {
  let work: Work
  let executor: Executor
  let tenant = Work.tenantParameter()
  var generator: KeyGenerator

  nonisolated(nonsending) mutating func call() async throws {
    let batch = PostgresBatch(
      settings: [try .init("registry.tenant_id", Work.tenantID)], statements: [work.statement(tenant, &generator)],
      isolation: .serverDefault.readOnly, order: .by(Work.tenantBytes))
    for result in try await executor.execute(batch, deadline: nil) { try work.read(result) }
  }
}
