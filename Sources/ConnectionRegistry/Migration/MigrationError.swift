public import RegistryPostgres

/// Why a schema cannot be worked on or migrated.
public enum MigrationError: Error, Sendable, Hashable, CustomStringConvertible {
  /// A migration was edited after it ran on this database.
  case checksumChanged(file: String, recorded: String, embedded: String)
  /// The log lacks migrations before its latest: it was edited by hand, or two branches were merged.
  case gap(missing: [Int], latest: Int)
  /// A newer binary ran a breaking migration that this one does not know.
  case schemaTooNew(number: Int, name: String, latestKnown: Int)
  /// Migrations that this binary needs have not run.
  case notMigrated(pending: [String])
  /// The database was restored into a cluster that counts its transactions anew: new changes would come before old ones.
  case changesAhead(tenants: Int)
  /// A statement of a migration was refused; nothing of a transactional migration stays.
  case statementFailed(file: String, statement: Int, isTransactional: Bool, cause: Cause)
  /// Another migrator was at work for longer than this one waits, or the database did not answer.
  case timedOut(file: String)

  /// What the database said, without values.
  public struct Cause: Sendable, Hashable {
    /// The error's SQLSTATE, where the server gave one.
    public let sqlState: SQLState?
    /// Its message without DETAIL, which quotes values.
    public let message: String

    init(_ error: PostgresError) {
      sqlState = error.sqlState
      message = error.description
    }
  }

  /// Whether the schema and this binary do not fit each other: the command line answers these with exit code 78.
  public var isSchemaMismatch: Bool {
    switch self {
    case .schemaTooNew, .notMigrated, .changesAhead: true
    case .checksumChanged, .gap, .statementFailed, .timedOut: false
    }
  }

  /// What is wrong, where, and what would be right.
  public var description: String {
    switch self {
    case .checksumChanged(let file, let recorded, let embedded):
      """
      the migration \(file) was changed after it ran: the database recorded checksum \(recorded), this binary has \
      \(embedded); restore the file and put the change into a new migration
      """
    case .gap(let missing, let latest):
      """
      the migration log reaches \(latest) but lacks \(missing.map(String.init).joined(separator: ", ")); migrations run \
      in order, so the log was changed by hand: restore its rows
      """
    case .schemaTooNew(let number, let name, let latestKnown):
      """
      the schema has breaking migration \(number) (\(name)), this binary knows up to \(latestKnown); run a binary that is \
      as new as the schema
      """
    case .notMigrated(let pending):
      """
      the schema lacks \(pending.count) migration\(pending.count == 1 ? "" : "s") that this binary needs \
      (\(pending.joined(separator: ", "))); run `registry migrate apply`
      """
    case .changesAhead(let tenants):
      """
      the changes of \(tenants) tenant\(tenants == 1 ? "" : "s") lie ahead of this database cluster's transaction ids, as \
      after a restore into another cluster; run `registry migrate apply`
      """
    case .statementFailed(let file, let statement, let isTransactional, let cause):
      """
      statement \(statement) of migration \(file) failed, and \
      \(isTransactional ? "nothing of it was kept" : "the statements before it were kept, because it runs without a transaction"): \
      \(cause.message)
      """
    case .timedOut(let file):
      """
      migration \(file) did not finish in time: another migrator or a long transaction holds what it needs; see \
      pg_stat_activity, then run it again
      """
    }
  }
}
