/// A stream that stands open on a session: rows or COPY data on their way, for the length of a caller's closure.
struct OpenStream {
  /// Tells one stream of a session from the next.
  typealias Number = UInt64

  let number: Number
  /// Whether a savepoint was set before it, so that leaving the stream early leaves the transaction usable.
  let hasSavepoint: Bool
  /// The name of its statement, for errors.
  let statementName: String?
  /// Whether COPY data is still to come before any result.
  var isCopyingOut = false
  /// A row that was read and not handed out yet.
  var firstRow: PostgresResult?
  /// The first error that the server reported.
  var firstError: PostgresResult?
  /// How many bytes of a large notice are still to be thrown away.
  var noticeRest = 0
  /// Whether the conversation has come to rest: all results were read.
  var isAtEnd = false
  /// What ended it, to be told to whoever asks for more.
  var failure: PostgresError?

  /// What sets a point to go back to, and what goes back.
  static let savepoint = "SAVEPOINT registry_stream"
  static let release = "RELEASE SAVEPOINT registry_stream"
  static let rollBack = "ROLLBACK TO SAVEPOINT registry_stream; RELEASE SAVEPOINT registry_stream"
}
