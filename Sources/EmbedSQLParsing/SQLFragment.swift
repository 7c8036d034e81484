/// A part of a statement that several statements share: a file of `sql/queries/fragments`.
public struct SQLFragment: Sendable, Hashable {
  /// The file's name without its ending.
  public let name: String
  /// What is pasted; comments around it are left out.
  public let text: String

  /// Reads a fragment.
  ///
  /// - Parameters:
  ///   - name: The file's name without its ending.
  ///   - text: The content of the file.
  ///   - file: The file, for problems.
  /// - Throws: `SQLProblem` when it is empty, holds a semicolon, includes another, or cannot be read.
  public init(name: String, text: String, file: String) throws(SQLProblem) {
    if let reason = SQLName.problem(in: name) { throw SQLProblem(file: file, line: 1, message: reason) }
    let tokens = try SQLScanner.tokens(of: text, file: file)
    if let semicolon = tokens.first(where: { $0.kind == .semicolon }) {
      throw SQLProblem(
        file: file, line: semicolon.line,
        message: "a semicolon in a fragment, which is a part of a statement; remove it")
    }
    if let nested = tokens.first(where: { $0.includeTarget != nil }) {
      throw SQLProblem(
        file: file, line: nested.line, message: "a fragment cannot include another; include both in the statement")
    }
    guard let statement = SQLStatement.split(tokens, of: text).first, !statement.tokens.isEmpty else {
      throw SQLProblem(file: file, line: 1, message: "an empty fragment; write its SQL or delete the file")
    }
    self.name = name
    self.text = statement.text.normalisingLineEnds
  }
}
