public import Logging
public import RegistryPostgres
public import RegistrySQL

/// Brings a database's schema to what this binary needs, and tells how it stands.
///
/// Each migration is one transaction that begins with its own row in `registry.migration_log`: the row's primary key is
/// the lock, so of two migrators at once the second waits, sees that the work is done, and goes on with the next. A killed
/// one leaves nothing behind.
public struct Migrator: Sendable {
  let pool: PostgresPool
  let migrations: [Migration]
  let timeout: Duration
  let logger: Logger

  /// Makes a migrator; nothing is sent.
  ///
  /// - Parameters:
  ///   - pool: Where to. For ``apply()`` its login owns the database or may create schemas and roles, and it holds at least
  ///     two connections, because a migration without a transaction needs a second one that holds the lock; for the other
  ///     calls any login will do that may read the log.
  ///   - migrations: By number from 1 without gaps; the binary's own unless a test brings others.
  ///   - timeout: The longest that one migration may take, the wait for another migrator included.
  ///   - logger: Told of each migration at level info.
  public init(
    pool: PostgresPool, migrations: [Migration] = RegistryMigrations.all, timeout: Duration = .seconds(3600),
    logger: Logger = Logger(label: "registry.migrator")
  ) {
    self.pool = pool
    self.migrations = migrations
    self.timeout = timeout
    self.logger = logger
  }

  /// How the schema stands. A database without a log has run nothing.
  ///
  /// - Returns: What ran, what is pending, and what is wrong; nothing wrong is thrown.
  /// - Throws: `PostgresError` when the database cannot be asked.
  public func status() async throws -> SchemaStatus {
    let found = try await pool.execute(RegistryStatements.migrationLogExists.bound())
    guard try found.rows.first?.decode("found", as: Bool.self) == true else {
      return SchemaStatus(log: [], known: migrations)
    }
    let log = try await pool.execute(RegistryStatements.migrationLogList.bound())
    return SchemaStatus(log: try log.rows.map(Self.appliedMigration), known: migrations)
  }

  /// How the schema stands, once nothing forbids to migrate it.
  ///
  /// - Returns: The status, which may have pending migrations and a warning about newer ones.
  /// - Throws: `MigrationError` of case `checksumChanged`, `gap` or `schemaTooNew`; `PostgresError` when the database
  ///   cannot be asked.
  @discardableResult
  public func validate() async throws -> SchemaStatus {
    let status = try await status()
    if let problem = status.problems.first { throw problem }
    if let warning = status.warning {
      logger.warning("schema is newer than this binary", metadata: ["advice": "\(warning)"])
    }
    return status
  }

  /// Makes sure that this binary can work on the schema; a service calls it before it takes requests.
  ///
  /// - Returns: The status, without pending migrations.
  /// - Throws: As ``validate()``, and `MigrationError.notMigrated` where migrations are pending.
  @discardableResult
  public func requireMigrated() async throws -> SchemaStatus {
    let status = try await validate()
    guard status.pending.isEmpty else { throw MigrationError.notMigrated(pending: status.pending.map(\.fileName)) }
    return status
  }

  /// What ``apply()`` would run.
  ///
  /// - Returns: The pending migrations, by number.
  /// - Throws: As ``validate()``.
  public func plan() async throws -> [Migration] { try await validate().pending }

  /// Runs the pending migrations in order.
  ///
  /// It can be called again at any time, and by any number of processes at once: what has run does not run twice. After a
  /// restore into a cluster that counts its transactions anew it makes the change feed go on behind its last change.
  ///
  /// - Returns: What this call ran; empty where another migrator was faster or nothing was pending.
  /// - Throws: As ``validate()``; `MigrationError.statementFailed` where the database refuses a statement, and
  ///   `MigrationError.timedOut`; `PostgresError` where the database is lost.
  @discardableResult
  public func apply() async throws -> [Migration] {
    try await createLog()
    var ran: [Migration] = []
    while let next = try await validate().pending.first {
      // A later row would mean that this one was taken out of the log: validate refuses that as a gap.
      let isOurs = next.isTransactional ? try await runInTransaction(next) : try await runWithoutTransaction(next)
      guard isOurs else { continue }
      ran.append(next)
      logger.info(
        "migration applied", metadata: ["migration": "\(next.fileName)", "statements": "\(next.statements.count)"])
    }
    try await raiseChangeOffsets()
    return ran
  }

  /// Two first runs at once can collide in the system catalogues despite IF NOT EXISTS; the loser finds it done.
  private func createLog() async throws {
    for attempt in 1... {
      do {
        if try await pool.execute(RegistryStatements.migrationLogExists.bound()).rows.first?
          .decode("found", as: Bool.self) == true
        {
          return
        }
        try await pool.execute(
          PostgresBatch(
            statements: [
              RegistryStatements.migrationSchemaCreate.bound(), RegistryStatements.migrationLogCreate.bound(),
            ]))
        return
      } catch let error as PostgresError where Self.isCreationRace(error) && attempt < Self.maximumCreationAttempts {
        logger.debug("another migrator creates the log", metadata: ["attempt": "\(attempt)"])
      }
    }
  }

  private static let maximumCreationAttempts = 10

  /// unique_violation, duplicate_schema, duplicate_table, and internal_error "tuple concurrently updated".
  private static func isCreationRace(_ error: PostgresError) -> Bool {
    ["23505", "42P06", "42P07", "XX000"].contains { error.sqlState == SQLState($0) }
  }

  /// - Returns: False when another migrator ran it first.
  private func runInTransaction(_ migration: Migration) async throws -> Bool {
    let batch = PostgresBatch(
      settings: try Self.settings,
      statements: [Self.logRow(migration)] + migration.statements.map { PostgresStatement($0) })
    do {
      _ = try await pool.execute(batch, deadline: .now.advanced(by: timeout))
      return true
    } catch let error as PostgresError {
      // Statement 0 is the log row: its primary key is the lock.
      if error.statementIndex == 0, error.sqlState == .uniqueViolation { return false }
      throw Self.failure(of: migration, statement: error.statementIndex, error)
    }
  }

  /// The log stays locked in a transaction of its own meanwhile. That one is idle and holds no snapshot, so that CREATE INDEX
  /// CONCURRENTLY does not wait for it.
  private func runWithoutTransaction(_ migration: Migration) async throws -> Bool {
    let deadline = ContinuousClock.now.advanced(by: timeout)
    do {
      let settings = [try PostgresBatch.Setting("idle_in_transaction_session_timeout", "0")]
      return try await pool.withTransaction(settings: settings, deadline: deadline) { lock in
        _ = try await lock.execute(RegistryStatements.migrationLogLock.bound(), deadline: deadline)
        // Asked on another connection: a row read on this one would keep its snapshot until the transaction's end.
        guard try await !status().applied.contains(where: { $0.number == migration.number }) else { return false }
        for (index, statement) in migration.statements.enumerated() {
          do {
            _ = try await pool.execute(PostgresStatement(statement), deadline: deadline)
          } catch let error as PostgresError {
            throw Self.failure(of: migration, statement: index + 1, error)
          }
        }
        _ = try await lock.execute(Self.logRow(migration), deadline: deadline)
        return true
      }
    } catch let error as PostgresError {
      throw Self.failure(of: migration, statement: nil, error)
    } catch let error as PostgresTransactionError {
      throw Self.failure(of: migration, statement: nil, error.underlying)
    }
  }

  private static func failure(of migration: Migration, statement: Int?, _ error: PostgresError) -> any Error {
    if error.code == .timedOut { return MigrationError.timedOut(file: migration.fileName) }
    guard let statement, statement > 0, error.code == .server else { return error }
    return MigrationError.statementFailed(
      file: migration.fileName, statement: statement, isTransactional: migration.isTransactional, cause: .init(error))
  }

  /// Every name in a migration is qualified: what a database puts on its search path must not change what runs.
  private static var settings: [PostgresBatch.Setting] {
    get throws {
      [try .init("search_path", ""), try .init("statement_timeout", "0"), try .init("lock_timeout", "0")]
    }
  }

  private static func logRow(_ migration: Migration) -> PostgresStatement {
    RegistryStatements.migrationLogInsert.bound([
      .int(migration.number), .text(migration.name), .text(migration.checksum), .bool(migration.isBreaking),
    ])
  }

  private static func appliedMigration(_ row: PostgresRow) throws -> AppliedMigration {
    AppliedMigration(
      number: try row.decode("number"), name: try row.decode("name"), checksum: try row.decode("checksum"),
      isBreaking: try row.decode("breaking"), appliedAt: try row.decode("applied_at"))
  }
}

extension NamedStatement {
  /// The statement with values; unnamed, because a migrator sends each once, often to a database about to change.
  func bound(_ parameters: [PostgresParameter] = []) -> PostgresStatement {
    PostgresStatement(text, parameters)
  }
}
