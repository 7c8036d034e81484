import RegistryPostgres

/// Runs the statement for one key after the other.
struct StatementCaller<Executor: PostgresExecutor>: Caller {
  let work: Work
  let executor: Executor
  let tenant = Work.tenantParameter()
  var generator: KeyGenerator

  nonisolated(nonsending) mutating func call() async throws {
    try work.read(try await executor.execute(work.statement(tenant, &generator), deadline: nil))
  }
}
