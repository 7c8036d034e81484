/// One SQL statement with the values of its parameters.
///
/// A statement with a name is prepared once per connection under that name and then only bound and run; the same name
/// must always carry the same text. A statement without a name is parsed anew each time.
public struct PostgresStatement: Sendable {
  /// The most bytes that the text and the parameters of one statement may take together: 64 MiB.
  public static let maximumBytes = 64 << 20

  /// The most parameters a statement may have, PostgreSQL's own limit.
  public static let maximumParameters = 65_535

  /// The name under which it is prepared; `nil` when it is not.
  public var name: String?
  /// The SQL, one statement, with `$1`, `$2` … where the parameters go.
  public var text: String
  /// The values, in the order of their numbers.
  public var parameters: [PostgresParameter]

  /// Describes a statement; nothing is sent or checked yet.
  /// - Parameters:
  ///   - name: prepare it once per connection under this name; `nil` (the default) parses it each time.
  ///   - text: the SQL, one statement, with `$1`, `$2` … where the parameters go.
  ///   - parameters: the values, in the order of their numbers.
  public init(name: String? = nil, _ text: String, _ parameters: [PostgresParameter] = []) {
    self.name = name
    self.text = text
    self.parameters = parameters
  }
}
