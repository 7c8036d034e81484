/// The five-character code with which PostgreSQL names a condition.
///
/// Constants cover what callers decide by; any other code can be written `SQLState("40003")`. Codes can be matched
/// directly in `catch`:
///
/// ```swift
/// do { … } catch SQLState.uniqueViolation { … }
/// ```
///
/// Source: PostgreSQL documentation, Appendix A, "PostgreSQL Error Codes".
public struct SQLState: Sendable, Hashable, RawRepresentable, CustomStringConvertible {
  /// The five characters, for example `23505`.
  public let rawValue: String

  /// Wraps a code as the server sent it.
  /// - Parameter rawValue: five characters; not validated, since servers and extensions may invent codes.
  public init(rawValue: String) {
    self.rawValue = rawValue
  }

  /// Wraps a code written out in source.
  /// - Parameter code: five characters, for example `"23505"`.
  public init(_ code: String) {
    self.rawValue = code
  }

  /// The first two characters, which name the class of the condition, for example `23` (integrity constraint).
  public var conditionClass: Substring { rawValue.prefix(2) }

  /// The code and, where it is one of the constants, its name in PostgreSQL's documentation.
  public var description: String {
    if let name = Self.names[self] { "\(rawValue) \(name)" } else { rawValue }
  }

  /// The name of the condition in PostgreSQL's documentation; `nil` for a code without a constant here.
  public var conditionName: String? { Self.names[self] }

  /// 01000, a warning.
  public static let warning = SQLState("01000")
  /// 08000, a connection exception.
  public static let connectionException = SQLState("08000")
  /// 08006, a connection failure; Citus reports it for a worker that is down while the coordinator lives.
  public static let connectionFailure = SQLState("08006")
  /// 0A000, among others "cached plan must not change result type" after a migration.
  public static let featureNotSupported = SQLState("0A000")
  /// 22P02, text that is not of the type it is read as.
  public static let invalidTextRepresentation = SQLState("22P02")
  /// 22021, bytes that are not text in the database's encoding.
  public static let characterNotInRepertoire = SQLState("22021")
  /// 22003, a number out of the range of its type.
  public static let numericValueOutOfRange = SQLState("22003")
  /// 22012, a division by zero.
  public static let divisionByZero = SQLState("22012")
  /// 23502, NULL in a column that forbids it.
  public static let notNullViolation = SQLState("23502")
  /// 23503, a row that refers to a row which does not exist.
  public static let foreignKeyViolation = SQLState("23503")
  /// 23505, a key that exists already.
  public static let uniqueViolation = SQLState("23505")
  /// 23514, a row that a CHECK refuses.
  public static let checkViolation = SQLState("23514")
  /// 25001, a statement that cannot run inside a transaction.
  public static let activeSQLTransaction = SQLState("25001")
  /// 25006, a write on a read-only session or standby.
  public static let readOnlySQLTransaction = SQLState("25006")
  /// 25P01, a COMMIT or SET LOCAL outside a transaction.
  public static let noActiveSQLTransaction = SQLState("25P01")
  /// 25P02, a statement in a transaction that has failed already.
  public static let inFailedSQLTransaction = SQLState("25P02")
  /// 26000, a prepared statement that the server does not know, as behind a transaction pooler.
  public static let invalidSQLStatementName = SQLState("26000")
  /// 28000, a login that the server does not allow.
  public static let invalidAuthorizationSpecification = SQLState("28000")
  /// 28P01, a wrong password.
  public static let invalidPassword = SQLState("28P01")
  /// 3D000, a database that does not exist.
  public static let invalidCatalogName = SQLState("3D000")
  /// 40001, a transaction that could not be serialized: run it again.
  public static let serializationFailure = SQLState("40001")
  /// 40P01, a deadlock: run it again.
  public static let deadlockDetected = SQLState("40P01")
  /// 42501, a privilege or row-level policy that is missing.
  public static let insufficientPrivilege = SQLState("42501")
  /// 42601, text that does not parse.
  public static let syntaxError = SQLState("42601")
  /// 42804, an expression of the wrong type.
  public static let datatypeMismatch = SQLState("42804")
  /// 42883, a function or operator that does not exist for these types.
  public static let undefinedFunction = SQLState("42883")
  /// 42703, a column that does not exist.
  public static let undefinedColumn = SQLState("42703")
  /// 42P01, a table that does not exist.
  public static let undefinedTable = SQLState("42P01")
  /// 42P04, a database that exists already.
  public static let duplicateDatabase = SQLState("42P04")
  /// 42P05, a prepared statement that exists already, as behind a transaction pooler.
  public static let duplicatePreparedStatement = SQLState("42P05")
  /// 53300, a server whose connections are all taken.
  public static let tooManyConnections = SQLState("53300")
  /// 55P03, a lock that could not be had at once or within `lock_timeout`.
  public static let lockNotAvailable = SQLState("55P03")
  /// 57014, a statement that was cancelled or ran into `statement_timeout`.
  public static let queryCanceled = SQLState("57014")
  /// 57P01, a session ended by an administrator or by a shutdown.
  public static let adminShutdown = SQLState("57P01")
  /// 57P02, a session ended because another backend crashed.
  public static let crashShutdown = SQLState("57P02")
  /// 57P03, a server that is starting, stopping or recovering.
  public static let cannotConnectNow = SQLState("57P03")

  private static let names: [SQLState: String] = [
    .warning: "warning", .connectionException: "connection_exception", .connectionFailure: "connection_failure",
    .featureNotSupported: "feature_not_supported", .invalidTextRepresentation: "invalid_text_representation",
    .characterNotInRepertoire: "character_not_in_repertoire", .divisionByZero: "division_by_zero",
    .numericValueOutOfRange: "numeric_value_out_of_range", .notNullViolation: "not_null_violation",
    .foreignKeyViolation: "foreign_key_violation", .uniqueViolation: "unique_violation",
    .checkViolation: "check_violation", .activeSQLTransaction: "active_sql_transaction",
    .readOnlySQLTransaction: "read_only_sql_transaction", .noActiveSQLTransaction: "no_active_sql_transaction",
    .inFailedSQLTransaction: "in_failed_sql_transaction", .invalidSQLStatementName: "invalid_sql_statement_name",
    .invalidAuthorizationSpecification: "invalid_authorization_specification",
    .invalidPassword: "invalid_password", .invalidCatalogName: "invalid_catalog_name",
    .serializationFailure: "serialization_failure", .deadlockDetected: "deadlock_detected",
    .insufficientPrivilege: "insufficient_privilege", .syntaxError: "syntax_error",
    .datatypeMismatch: "datatype_mismatch", .undefinedFunction: "undefined_function",
    .undefinedColumn: "undefined_column", .undefinedTable: "undefined_table",
    .duplicateDatabase: "duplicate_database", .duplicatePreparedStatement: "duplicate_prepared_statement",
    .tooManyConnections: "too_many_connections", .lockNotAvailable: "lock_not_available",
    .queryCanceled: "query_canceled", .adminShutdown: "admin_shutdown", .crashShutdown: "crash_shutdown",
    .cannotConnectNow: "cannot_connect_now",
  ]
}

/// Lets `catch SQLState.uniqueViolation` match any error that carries this code.
/// - Parameters:
///   - state: the code in the pattern.
///   - error: what was thrown.
/// - Returns: whether the error is PostgreSQL's and has this code.
public func ~= (state: SQLState, error: any Error) -> Bool {
  PostgresError.first(in: error)?.sqlState == state
}
