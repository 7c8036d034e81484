/// How a transaction is isolated from others and whether it may write.
public struct PostgresIsolation: Sendable, Hashable {
  private enum Level: String {
    case readCommitted = "READ COMMITTED"
    case repeatableRead = "REPEATABLE READ"
    case serializable = "SERIALIZABLE"
  }

  private var level: Level?
  private(set) var isReadOnly = false

  private init(_ level: Level?) {
    self.level = level
  }

  /// What the server or the role is set to, usually READ COMMITTED and writing.
  public static let serverDefault = PostgresIsolation(nil)
  /// Each statement sees what was committed before it began.
  public static let readCommitted = PostgresIsolation(.readCommitted)
  /// All statements see one snapshot.
  public static let repeatableRead = PostgresIsolation(.repeatableRead)
  /// As if transactions ran one after another; may fail with 40001.
  public static let serializable = PostgresIsolation(.serializable)

  /// The same level, refusing writes.
  public var readOnly: PostgresIsolation {
    var copy = self
    copy.isReadOnly = true
    return copy
  }

  var beginText: String {
    let level = level.map { " ISOLATION LEVEL \($0.rawValue)" } ?? ""
    return "BEGIN\(level)\(isReadOnly ? " READ ONLY" : "")"
  }
}
