import NIOConcurrencyHelpers
import RegistryPostgres

/// What a process does to the database until it is killed after so many statements: COMMIT counts as one, and all that
/// it has not committed is lost with its connection.
struct MortalExecutor: PostgresBatchExecutor {
  struct Killed: Error {}

  /// How many statements are left to live, shared by all ways of one process; nil counts without end.
  final class Life: Sendable {
    private let state: NIOLockedValueBox<(left: Int, done: Int)>

    init(_ statements: Int) { state = NIOLockedValueBox((statements, 0)) }

    var done: Int { state.withLockedValue { $0.done } }

    /// How many of the next statements it lives to see, and whether it dies then.
    func take(_ count: Int) -> (lived: Int, isOver: Bool) {
      state.withLockedValue { state in
        let lived = min(count, state.left)
        state.left -= lived
        state.done += lived
        return (lived, state.left == 0)
      }
    }
  }

  let pool: PostgresPool
  let life: Life

  nonisolated(nonsending) func execute(
    _ batch: PostgresBatch, deadline: ContinuousClock.Instant?
  ) async throws -> [PostgresResult] {
    let all = batch.statements.count + 1
    let (lived, isOver) = life.take(all)
    if lived == all {
      let results = try await pool.execute(batch, deadline: deadline)
      // Killed right after the COMMIT: nobody hears of it.
      if isOver { throw Killed() }
      return results
    }
    if lived == 0 { throw Killed() }
    return try await pool.withTransaction(
      settings: batch.settings, level: batch.isolation, deadline: deadline
    ) { transaction -> [PostgresResult] in
      for statement in batch.statements.prefix(lived) { _ = try await transaction.execute(statement) }
      _ = try? await transaction.execute("SELECT pg_terminate_backend(pg_backend_pid())")
      throw Killed()
    }
  }
}
