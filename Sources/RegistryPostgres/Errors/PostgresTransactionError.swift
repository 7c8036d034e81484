/// A transaction that failed outside its body, or whose body failed and could not be rolled back in order.
///
/// An error of the body comes out of `withTransaction` unchanged when the ROLLBACK went well, so that callers catch
/// what they threw. Everything else arrives as this type, which keeps the failures apart.
public struct PostgresTransactionError: Error, Sendable, CustomStringConvertible {
  /// The step of the transaction that failed.
  public struct Phase: Sendable, Hashable, CustomStringConvertible {
    private enum Base: String { case begin, rollback, commit }
    private let base: Base

    /// A fixed word for the step.
    public var description: String { base.rawValue }

    /// BEGIN, or a setting of the transaction, was refused: the body never ran.
    public static let begin = Phase(base: .begin)
    /// The body failed, and so did the ROLLBACK: the connection was closed, which rolls back as well.
    public static let rollback = Phase(base: .rollback)
    /// COMMIT failed or was answered ROLLBACK.
    public static let commit = Phase(base: .commit)
  }

  /// The step that failed.
  public let phase: Phase
  /// What the body threw; `nil` when it never ran or ended well.
  public let bodyError: (any Error)?
  /// What went wrong in the step named by ``phase``.
  public let underlying: PostgresError

  init(phase: Phase, bodyError: (any Error)? = nil, underlying: PostgresError) {
    self.phase = phase
    self.bodyError = bodyError
    self.underlying = underlying
  }

  /// Whether the transaction may have been committed although it failed from here.
  public var mayHaveTakenEffect: Bool {
    phase == .commit && underlying.mayHaveTakenEffect
  }

  /// Whether the same transaction may be tried again as it is; see ``PostgresError/isRetryable``.
  public var isRetryable: Bool { !mayHaveTakenEffect && (firstPostgresError?.isRetryableWhenIdempotent ?? false) }

  /// The body's error where it is PostgreSQL's, else the step's: what went wrong first.
  var firstPostgresError: PostgresError? {
    if let bodyError { PostgresError.first(in: bodyError) } else { underlying }
  }

  /// The failure in one line that holds neither parameters nor secrets of PostgreSQL; the body's own error is named
  /// by its type only.
  public var description: String {
    let body =
      switch bodyError {
      case nil: ""
      case let error as PostgresError: " after the body failed with [\(error)]"
      case let error?: " after the body threw \(type(of: error))"
      }
    return "the transaction's \(phase) failed\(body): \(underlying)"
  }
}
