/// A migration as it stands in `sql/migrations/NNNN_name.sql`.
public struct MigrationSource: Sendable, Hashable {
  /// The number, from 1, without gaps.
  public let number: Int
  /// The name without number and ending.
  public let name: String
  /// Whether a binary made before this migration can no longer work on the migrated schema.
  public let isBreaking: Bool
  /// Whether it runs in a transaction, with its log row.
  public let isTransactional: Bool
  /// Its statements in order.
  public let statements: [String]
  /// The file, for problems.
  public let file: String

  /// Reads a migration.
  ///
  /// - Parameters:
  ///   - fileName: The file's own name, `0001_tenancy.sql`.
  ///   - text: The content of the file.
  ///   - file: The file, for problems.
  /// - Throws: `SQLProblem` when the name or header is not of the form above, when it has no statement or an empty one,
  ///   and at what cannot stand in a migration: transaction control, parameters, psql commands.
  public init(fileName: String, text: String, file: String) throws(SQLProblem) {
    func problem(_ line: Int, _ message: String) -> SQLProblem { SQLProblem(file: file, line: line, message: message) }

    let digits = fileName.prefix(4)
    let name = String(fileName.dropFirst(5).dropLast(4))
    guard fileName.hasSuffix(".sql"), digits.utf8.count == 4, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      fileName.dropFirst(4).first == "_", let number = Int(digits), SQLName.problem(in: name) == nil
    else {
      throw problem(
        1, "`\(fileName)` is not a migration's name; write it like `0001_tenancy.sql`, the name in snake case")
    }

    let tokens = try SQLScanner.tokens(of: text, file: file)
    let header = try Self.header(tokens.prefix(while: \.isComment), problem: problem)
    let split = SQLStatement.split(tokens, of: text)
    guard !split.isEmpty else {
      throw problem(1, "no statement; a migration that landed is never emptied, a new one has one")
    }
    for statement in split {
      guard let first = statement.leadingWords.first ?? (statement.tokens.isEmpty ? nil : "") else {
        throw problem(statement.line, "an empty statement; remove one semicolon")
      }
      if Self.transactionControl.contains(first) {
        throw problem(
          statement.line,
          "`\(first.uppercased())` in a migration; the migrator opens and ends the transaction, `-- transaction: no` runs without"
        )
      }
      if let number = statement.parameters.min() {
        throw problem(
          statement.line, "the parameter $\(number) in a migration, which is run with none; write the value")
      }
    }
    self.number = number
    self.name = name
    isBreaking = header.isBreaking
    isTransactional = header.isTransactional
    statements = split.map(\.text.normalisingLineEnds)
    self.file = file
  }

  private static let transactionControl: Set<String> = [
    "begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release", "prepare",
  ]

  private static func header(
    _ comments: ArraySlice<SQLToken>, problem: (Int, String) -> SQLProblem
  ) throws(SQLProblem) -> (isBreaking: Bool, isTransactional: Bool) {
    var values: [String: Bool] = [:]
    for token in comments {
      guard let (key, value) = token.header, key == "breaking" || key == "transaction" else { continue }
      guard value == "yes" || value == "no" else {
        throw problem(token.line, "`-- \(key): \(value)`: it is yes or no")
      }
      guard values.updateValue(value == "yes", forKey: key) == nil else {
        throw problem(token.line, "a second `-- \(key):`; keep one")
      }
    }
    guard let isBreaking = values["breaking"] else {
      throw problem(
        1,
        "the header does not say whether older binaries can go on; begin the file with `-- breaking: no` or `-- breaking: yes`"
      )
    }
    return (isBreaking, values["transaction"] ?? true)
  }
}
