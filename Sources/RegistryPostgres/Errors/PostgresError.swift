/// What went wrong between this process and PostgreSQL.
///
/// `description` is safe to log and to show: it holds no parameter, no password and none of the server's DETAIL (which
/// quotes values). `String(reflecting:)` adds what the server said in full, DETAIL included, for a developer's eyes;
/// passwords are in neither.
///
/// Errors can be matched by their code or by SQLSTATE:
///
/// ```swift
/// do { … }
/// catch PostgresError.Code.queueFull { … }
/// catch SQLState.uniqueViolation { … }
/// ```
public struct PostgresError: Error, Sendable {
  /// One pointer wide, because an error travels through every result on the way to a caller.
  private final class Storage: @unchecked Sendable {
    var values: Values

    init(_ values: Values) {
      self.values = values
    }
  }

  private struct Values: Sendable {
    var code: Code
    var message: String
    var sqlState: SQLState?
    var constraintName: String?
    var tableName: String?
    var columnName: String?
    var position: Int?
    var statementName: String?
    var statementIndex: Int?
    var mayHaveTakenEffect: Bool
    var serverReport: String?
    var isBeyondWaiting = false
  }

  private var storage: Storage

  private var values: Values {
    get { storage.values }
    set {
      if isKnownUniquelyReferenced(&storage) { storage.values = newValue } else { storage = Storage(newValue) }
    }
  }

  /// What kind of failure this is.
  public internal(set) var code: Code {
    get { values.code }
    set { values.code = newValue }
  }

  /// What was wrong and what would be right, in words of this library or, where they quote no values, of the server.
  public internal(set) var message: String {
    get { values.message }
    set { values.message = newValue }
  }

  /// The server's code; `nil` where the failure did not come from the server.
  public internal(set) var sqlState: SQLState? {
    get { values.sqlState }
    set { values.sqlState = newValue }
  }

  /// The constraint that was violated, without the shard suffix that Citus appends (`connection_pkey_102143`).
  public internal(set) var constraintName: String? {
    get { values.constraintName }
    set { values.constraintName = newValue }
  }

  /// The table the server names in its error.
  public internal(set) var tableName: String? {
    get { values.tableName }
    set { values.tableName = newValue }
  }

  /// The column the server names in its error.
  public internal(set) var columnName: String? {
    get { values.columnName }
    set { values.columnName = newValue }
  }

  /// Where in the statement's text the server saw the error, in characters from 1.
  public internal(set) var position: Int? {
    get { values.position }
    set { values.position = newValue }
  }

  /// The name of the statement that failed, where it has one.
  public internal(set) var statementName: String? {
    get { values.statementName }
    set { values.statementName = newValue }
  }

  /// The index, from 0, in ``PostgresBatch/statements`` of the one that failed; `nil` outside batches and for a failure
  /// that belongs to no single statement.
  public internal(set) var statementIndex: Int? {
    get { values.statementIndex }
    set { values.statementIndex = newValue }
  }

  /// Whether the work may have been committed although it failed from here: `false` is a proof that it was not.
  public internal(set) var mayHaveTakenEffect: Bool {
    get { values.mayHaveTakenEffect }
    set { values.mayHaveTakenEffect = newValue }
  }

  /// What the server said in full, which may quote values: only for ``debugDescription``.
  package internal(set) var serverReport: String? {
    get { values.serverReport }
    set { values.serverReport = newValue }
  }

  /// Whether a connection cannot be made however long one waits, where no SQLSTATE says so.
  var isBeyondWaiting: Bool {
    get { values.isBeyondWaiting }
    set { values.isBeyondWaiting = newValue }
  }

  package init(
    _ code: Code, _ message: String, sqlState: SQLState? = nil, mayHaveTakenEffect: Bool = false,
    serverReport: String? = nil
  ) {
    storage = Storage(
      Values(
        code: code, message: message, sqlState: sqlState, mayHaveTakenEffect: mayHaveTakenEffect,
        serverReport: serverReport))
  }
}

extension PostgresError {
  /// The kinds of failure; an open set, so a `switch` needs a `default`.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    private enum Base: String {
      case server, connectionFailed, connectionLost, timedOut, cancelled, queueFull, closed, busy, rolledBack
      case outcomeUnknown, protocolViolation, decoding, resultTooLarge, invalidParameter, invalidConfiguration
      case unsupported
    }

    private let base: Base

    /// A short fixed word for the kind, fit for a metric's label.
    public var description: String { base.rawValue }

    /// The server refused a statement; ``PostgresError/sqlState`` says why.
    public static let server = Code(base: .server)
    /// No connection could be made: wrong host, port, password or database, or a server that is not ready.
    public static let connectionFailed = Code(base: .connectionFailed)
    /// A connection that had been made broke or was ended by the server.
    public static let connectionLost = Code(base: .connectionLost)
    /// The deadline passed: while waiting for a connection, or while the statement ran, which was then cancelled.
    public static let timedOut = Code(base: .timedOut)
    /// The task was cancelled, and the statement with it.
    public static let cancelled = Code(base: .cancelled)
    /// As many callers as allowed are waiting for a connection already.
    public static let queueFull = Code(base: .queueFull)
    /// The pool is shutting down or was never run, or a connection is used after its closure ended.
    public static let closed = Code(base: .closed)
    /// Two statements at once were asked of one connection.
    public static let busy = Code(base: .busy)
    /// COMMIT was answered ROLLBACK: a statement of the transaction had failed before.
    public static let rolledBack = Code(base: .rolledBack)
    /// The commit stands on this server but may not have reached its synchronous standby.
    public static let outcomeUnknown = Code(base: .outcomeUnknown)
    /// The server answered in a way that the protocol does not foresee.
    public static let protocolViolation = Code(base: .protocolViolation)
    /// A value of a result is not of the type it was asked for, or the column does not exist.
    public static let decoding = Code(base: .decoding)
    /// A result that would have taken more memory than allowed, of a statement that was cancelled for it.
    public static let resultTooLarge = Code(base: .resultTooLarge)
    /// A parameter or setting that cannot be sent.
    public static let invalidParameter = Code(base: .invalidParameter)
    /// A connection string, role or limit that cannot work.
    public static let invalidConfiguration = Code(base: .invalidConfiguration)
    /// A statement of a kind that this library does not run.
    public static let unsupported = Code(base: .unsupported)
  }

  /// Whether the same work may be tried again as it is: it provably had no effect, and the reason may pass.
  ///
  /// A serialization failure, a deadlock, a connection that could not be made, a full server or queue. A deadline that
  /// passed or a task that was cancelled is the caller's own decision and not retryable.
  public var isRetryable: Bool {
    !mayHaveTakenEffect && isTransient
  }

  /// Whether work that carries its own deduplication key may be tried again: as ``isRetryable``, and also after a lost
  /// connection or a commit of unknown outcome.
  public var isRetryableWhenIdempotent: Bool {
    isTransient
  }

  /// Whether a key exists already (23505); ``constraintName`` names which.
  public var isUniqueViolation: Bool { sqlState == .uniqueViolation }

  /// Whether a row refers to one that does not exist (23503).
  public var isForeignKeyViolation: Bool { sqlState == .foreignKeyViolation }

  /// Whether a CHECK refused the row (23514).
  public var isCheckViolation: Bool { sqlState == .checkViolation }

  /// One bounded word for metric labels: the code, and the SQLSTATE where there is one.
  public var shortDescription: String {
    if let sqlState { "\(code).\(sqlState.rawValue)" } else { code.description }
  }

  private var isTransient: Bool {
    switch code {
    case .connectionLost, .queueFull, .outcomeUnknown: return true
    case .connectionFailed: return !isPermanentConnectionFailure
    default: break
    }
    switch sqlState {
    case SQLState.serializationFailure, SQLState.deadlockDetected, SQLState.tooManyConnections,
      SQLState.cannotConnectNow, SQLState.adminShutdown, SQLState.crashShutdown, SQLState.connectionFailure,
      SQLState.readOnlySQLTransaction:
      return true
    case SQLState.featureNotSupported, SQLState.invalidSQLStatementName, SQLState.duplicatePreparedStatement:
      return needsPreparingAgain
    default:
      return false
    }
  }

  /// Whether waiting cannot help: the login, the role, an option or the database is wrong, not the moment.
  package var isPermanentConnectionFailure: Bool {
    switch sqlState?.conditionClass {
    case "22", "28", "3D", "42": code == .connectionFailed
    default: code == .invalidConfiguration || isBeyondWaiting
    }
  }

  /// Whether the server lost or outdated the prepared form of the statement, so that it must be prepared anew.
  var needsPreparingAgain: Bool {
    switch sqlState {
    case SQLState.invalidSQLStatementName: statementName != nil
    // The message is translated; the routine that reports it is not (RevalidateCachedQuery).
    case SQLState.featureNotSupported: serverReport?.contains("RevalidateCachedQuery") ?? false
    default: false
    }
  }

  /// The first PostgreSQL error in what was thrown: itself, or what a transaction met first.
  package static func first(in error: any Error) -> PostgresError? {
    switch error {
    case let error as PostgresError: error
    case let error as PostgresTransactionError: error.firstPostgresError
    default: nil
    }
  }
}

extension PostgresError: CustomStringConvertible, CustomDebugStringConvertible {
  /// The failure in one line that holds neither parameters nor secrets.
  public var description: String {
    var notes: [String] = []
    if let statementName { notes.append("statement \(statementName)") }
    if let statementIndex { notes.append("number \(statementIndex) of its batch") }
    if let constraintName { notes.append("constraint \(constraintName)") }
    if let position { notes.append("at character \(position)") }
    if mayHaveTakenEffect { notes.append("its effect is unknown") }
    let state = sqlState.map { " \($0)" } ?? ""
    let suffix = notes.isEmpty ? "" : " (\(notes.joined(separator: ", ")))"
    return "PostgreSQL, \(code)\(state): \(message)\(suffix)"
  }

  /// The same with all that the server said, which may quote values of the data. Passwords are not in it.
  public var debugDescription: String {
    if let serverReport { "\(description)\n\(serverReport)" } else { description }
  }
}

/// Lets `catch PostgresError.Code.queueFull` match any error that carries this code.
/// - Parameters:
///   - code: the code in the pattern.
///   - error: what was thrown.
/// - Returns: whether the error, or the first one of a transaction's error, has this code.
public func ~= (code: PostgresError.Code, error: any Error) -> Bool {
  PostgresError.first(in: error)?.code == code
}
