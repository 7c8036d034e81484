import Foundation
import RegistryPostgres
import RegistrySQL

/// The transactions of the process that holds a run: they are void where another has taken it over.
struct HeldRun: Sendable {
  let database: RegistryDatabase
  let tenantID: UUID
  let runID: UUID
  let leaseID: UUID
  let clock: ScheduleClock

  private var id: PostgresParameter { .uuid(tenantID) }
  private var run: PostgresParameter { .uuid(runID) }
  private var lease: PostgresParameter { .uuid(leaseID) }

  /// Runs statements in one transaction of the tenant.
  ///
  /// - Parameters:
  ///   - statements: what to run.
  ///   - renews: whether the lease is renewed, which holds the row of the run: one transaction at a time can.
  ///   - limit: after how long a statement is broken off by the server; nil is its own setting.
  ///   - memory: how much each join may take, in MiB, where it shall be made in memory.
  /// - Returns: one result per statement.
  /// - Throws: `already_running` where another process has taken the run over, `tenant_unknown` where the tenant was
  ///   disabled or deleted, `database_unavailable`; PostgreSQL's own error for a statement that was broken off.
  func run(
    _ statements: [BoundStatement], renews: Bool = true, limit: Duration? = nil, memory: Int? = nil
  ) async throws -> [PostgresResult] {
    var guards = [RegistryStatements.reconciliationFence(id, run, lease)]
    if renews {
      guards.insert(
        RegistryStatements.reconciliationRenew(
          id, run, lease, .double(Reconciliations.lease.inSeconds), .timestamp(clock.now())), at: 0)
    }
    do {
      let results = try await database.run(
        tenantID, compiles: false, limit: limit, memory: memory, guards + statements)
      return Array(results.dropFirst(guards.count))
    } catch let error as PostgresError where error.sqlState == .divisionByZero {
      throw try await lost()
    }
  }

  /// Runs statements that collect, each in a transaction of its own, two at a time.
  ///
  /// - Parameters:
  ///   - statements: what collects.
  ///   - limit: as in ``run(_:renews:limit:memory:)``.
  /// - Throws: as ``run(_:renews:limit:memory:)``.
  func collect(_ statements: [BoundStatement], limit: Duration?) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (place, statement) in statements.enumerated() {
        if place >= FactWindow.sidesAtOnce { try await group.next() }
        // One of them holds the row of the run, which would let no other go on. Should somebody else take the run over
        // in the middle, he examines what the others have collected, too.
        group.addTask {
          _ = try await run([statement], renews: place == 0, limit: limit, memory: FactWindow.screeningMemory)
        }
      }
      try await group.waitForAll()
    }
  }

  /// Runs statements across tenants. They do not hold the row of the run: who loses it in their middle has written.
  ///
  /// - Parameter statements: what to run.
  /// - Returns: one result per statement.
  /// - Throws: as ``run(_:renews:limit:memory:)``.
  func runAcrossTenants(_ statements: [BoundStatement]) async throws -> [PostgresResult] {
    let fence = RegistryStatements.reconciliationFenceAcrossTenants(id, run, lease)
    do {
      return Array(try await database.runAcrossTenants([fence] + statements).dropFirst())
    } catch let error as PostgresError where error.sqlState == .divisionByZero {
      throw try await lost()
    }
  }

  /// Why the fence refused.
  private func lost() async throws -> RegistryError {
    let results = try await database.run(
      tenantID, [RegistryStatements.tenantShow(id), RegistryStatements.reconciliationStanding(id, .null)])
    guard let row = results.first?.rows.first else {
      return RegistryError(.tenantUnknown, "the tenant was deleted in the middle of its run")
    }
    if try Tenant(row: row).disabledAt != nil {
      return RegistryError(.tenantUnknown, "the tenant was disabled in the middle of its run: nothing is lost")
    }
    return Self.taken
  }

  /// The run belongs to another process by now.
  static var taken: RegistryError {
    RegistryError(.alreadyRunning, "this run lost its lease to another: nothing is lost, the other goes on")
  }
}
