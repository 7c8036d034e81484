import Foundation
import Logging
import RegistryPostgres
import RegistrySQL

/// The registry's ways to PostgreSQL: every call is one transaction in which the tenant is set, as a role that owns
/// nothing.
///
/// Which way a call takes is told from its statements. Short ones share transactions with the calls of other callers, on
/// a lane for those that only read and on another for those that write; a call with a long one has a connection of the
/// pool to itself. What only reads runs READ ONLY, so that the server refuses a write that was taken for a read. A call
/// returns once its transaction is committed, so whoever has written finds it by every way.
struct RegistryDatabase: Sendable {
  /// Where the short calls of many callers travel together, as `registry_service`.
  struct Lanes: Sendable {
    let reads: PostgresLane
    /// Each of one connection. A call that may be the first to name an app user goes by that app user, any other by the
    /// first row that it locks, so that what locks in no common order meets on one connection.
    let writes: [PostgresLane]

    func write(_ tenantID: UUID, _ key: String) -> PostgresLane {
      // FNV-1a, so that a key takes one lane whatever the process.
      let hash = (tenantID.bytes + Array(key.utf8)).reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
        ($0 ^ UInt64($1)) &* 0x100_0000_01b3
      }
      return writes[Int((hash ^ hash >> 32) % UInt64(writes.count))]
    }
  }

  /// Works as `registry_service`, under row-level security.
  let service: any PostgresBatchExecutor
  /// Absent where every call is to have a connection of the pool.
  let lanes: Lanes?
  /// Works as `registry_worker`, which sees across tenants, through narrow grants.
  let worker: any PostgresBatchExecutor
  let logger: Logger
  /// Told when changes of connections were committed.
  var changeWaker: ChangeWaker?
  /// Told after a call that wrote deliveries.
  var deliverySignal: DeliverySignal?

  static let maximumTries = 4

  /// Runs the statements in one transaction of the tenant, which others may share.
  ///
  /// - Parameters:
  ///   - tenantID: whose transaction it is.
  ///   - keys: what identifies the rows that this call and others at the same time lock, such as a `user_id`, in the
  ///     order in which the statements lock them, which is that of their bytes. Calls take their places in a shared
  ///     transaction by it.
  ///   - person: the `reference_id` of the app user that the call may be the first to name.
  ///   - compiles: false where the statements join much at a time: PostgreSQL believes that compiling pays there, and
  ///     takes seconds for what then runs in a tenth of one.
  ///   - limit: after how long a statement is broken off by the server; nil is its own setting.
  ///   - lockLimit: after how long a statement gives up waiting for a lock; nil is the server's own setting.
  ///   - memory: how much each join may take before it goes to disk, in MiB, where joins shall be made in memory and by
  ///     hash, whatever the planner believes of how many rows there are; nil is the server's setting.
  ///   - statements: what to run.
  /// - Returns: one result per statement.
  /// - Throws: `database_unavailable`, `schema_not_migrated`; PostgreSQL's own error for any other refusal.
  func run(
    _ tenantID: UUID, locking keys: [String] = [], naming person: String? = nil, compiles: Bool = true,
    limit: Duration? = nil, lockLimit: Duration? = nil, memory: Int? = nil, _ statements: [BoundStatement]
  ) async throws -> [PostgresResult] {
    let results = try await send(
      tenantID, locking: keys, naming: person,
      settings: Self.settings(compiles: compiles, limit: limit, lockLimit: lockLimit, memory: memory), statements)
    if let changeWaker,
      zip(statements, results).contains(where: {
        $0.named.name == RegistryStatements.connectionChangeAppend.name && $1.affectedRows > 0
      })
    {
      changeWaker.committed(tenantID)
    }
    if let deliverySignal,
      zip(statements, results).contains(where: { $0.named.writesDeliveries && $1.affectedRows > 0 })
    {
      deliverySignal.wake()
    }
    return results
  }

  private func send(
    _ tenantID: UUID, locking keys: [String], naming person: String?, settings: [PostgresBatch.Setting],
    _ statements: [BoundStatement]
  ) async throws -> [PostgresResult] {
    var batch = Self.batch(statements)
    batch.settings = [try PostgresBatch.Setting("registry.tenant_id", tenantID)] + settings
    // The tenant stands first, so that it is set once for all its calls in a transaction.
    batch.order = keys.count > 1 ? .alone : .by(tenantID.bytes + Array((keys.first ?? "").utf8))
    let isRepeatable = statements.allSatisfy(\.named.isRepeatable)
    guard let lanes, !statements.contains(where: \.named.isLong) else {
      return try await repeating(isRepeatable) { try await service.execute(batch) }
    }
    let lane =
      statements.allSatisfy(\.named.isReadOnly)
      ? lanes.reads : lanes.write(tenantID, person ?? keys.first ?? "")
    do {
      // A lane repeats by itself what failed.
      return try await lane.execute(batch, isIdempotent: isRepeatable)
    } catch {
      throw Self.named(error)
    }
  }

  /// Runs one statement of the tenant.
  func run(
    _ tenantID: UUID, locking keys: [String] = [], _ statement: BoundStatement
  ) async throws -> PostgresResult {
    guard let result = try await run(tenantID, locking: keys, [statement]).first else {
      throw RegistryError(.internalFailure, "PostgreSQL gave no result for \(statement.named.name)")
    }
    return result
  }

  /// Runs statements across tenants. The parameters are those of ``run(_:locking:naming:compiles:limit:lockLimit:memory:_:)``.
  func runAcrossTenants(
    _ statements: [BoundStatement], compiles: Bool = true, limit: Duration? = nil, lockLimit: Duration? = nil,
    memory: Int? = nil
  ) async throws -> [PostgresResult] {
    var batch = Self.batch(statements)
    batch.settings = try Self.settings(compiles: compiles, limit: limit, lockLimit: lockLimit, memory: memory)
    return try await repeating(statements.allSatisfy(\.named.isRepeatable)) { [batch] in
      try await worker.execute(batch)
    }
  }

  static func settings(
    compiles: Bool, limit: Duration?, lockLimit: Duration? = nil, memory: Int?
  ) throws -> [PostgresBatch.Setting] {
    var settings: [PostgresBatch.Setting] = []
    if !compiles { settings.append(try PostgresBatch.Setting("jit", "off")) }
    if let limit {
      settings.append(try PostgresBatch.Setting("statement_timeout", "\(Int(limit.inSeconds * 1_000))"))
    }
    if let lockLimit {
      settings.append(try PostgresBatch.Setting("lock_timeout", "\(Int(lockLimit.inSeconds * 1_000))"))
    }
    if let memory {
      settings.append(try PostgresBatch.Setting("work_mem", "\(memory)MB"))
      settings.append(try PostgresBatch.Setting("enable_mergejoin", "off"))
    }
    return settings
  }

  /// Makes sure that the server answers on the ways that requests take.
  func probe(until deadline: ContinuousClock.Instant) async throws {
    let ways: [any PostgresBatchExecutor] = lanes.map { [$0.reads] + $0.writes } ?? [service]
    for way in ways {
      _ = try await way.execute(Self.batch([RegistryStatements.migrationLogExists()]), deadline: deadline)
    }
  }

  private static func batch(_ statements: [BoundStatement]) -> PostgresBatch {
    PostgresBatch(
      statements: statements.map(\.postgres),
      isolation: statements.allSatisfy(\.named.isReadOnly) ? .serverDefault.readOnly : .serverDefault)
  }

  private func repeating(
    _ isRepeatable: Bool, _ body: () async throws -> [PostgresResult]
  ) async throws -> [PostgresResult] {
    var tries = 1
    while true {
      do {
        return try await body()
      } catch let error as PostgresError
        where tries < Self.maximumTries && (isRepeatable ? error.isRetryableWhenIdempotent : error.isRetryable)
      {
        try await pause(afterTry: tries, error)
        tries += 1
      } catch let error as PostgresError {
        throw Self.named(error)
      }
    }
  }

  /// Waits a little before a transaction is repeated.
  func pause(afterTry tries: Int, _ error: PostgresError) async throws {
    logger.debug("repeating a transaction", metadata: ["error": "\(error.shortDescription)"])
    try await Task.sleep(for: .milliseconds(Int.random(in: 5...(20 << tries))))
  }
}

extension NamedStatement {
  /// Whether it makes something due to be delivered.
  fileprivate var writesDeliveries: Bool {
    name.hasPrefix("delivery_append") || ["delivery_retry", "delivery_replay", "endpoint_enable"].contains(name)
  }
}

extension RegistryDatabase {
  /// The error as the registry names it, for callers that know nothing of PostgreSQL.
  static func named(_ error: any Error) -> any Error {
    guard let error = error as? PostgresError else { return error }
    switch error.sqlState?.rawValue {
    case "42P01", "3F000", "42703":
      return RegistryError(
        .schemaNotMigrated, "the database lacks a part of the registry's schema: run `registry migrate apply`")
    case "42704" where error.code == .connectionFailed, "22023" where error.code == .connectionFailed:
      return RegistryError(
        .schemaNotMigrated, "the database lacks the registry's roles: run `registry migrate apply`")
    case "53100", "53200", "53300", "57P01", "57P02", "57P03":
      return RegistryError(.databaseUnavailable, "PostgreSQL is out of resources or stopping: \(error)")
    default: break
    }
    switch error.code {
    case .connectionFailed, .connectionLost, .timedOut, .queueFull, .outcomeUnknown, .closed:
      return RegistryError(.databaseUnavailable, "PostgreSQL does not answer: \(error)")
    default:
      return error
    }
  }
}
