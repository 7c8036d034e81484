/// One thing wrong with an SQL file, told with its place and with what would be right.
///
/// The description has the form that compilers use (`file:line: error: …`), so that build logs and editors make it a link.
public struct SQLProblem: Error, Sendable, Hashable, CustomStringConvertible {
  /// The file, as it was named to the parser.
  public let file: String
  /// The line in that file, from 1.
  public let line: Int
  /// What is wrong and what would be right, in one sentence.
  public let message: String

  /// Makes a problem.
  ///
  /// - Parameters:
  ///   - file: The file, as the reader should see it.
  ///   - line: The line in that file, from 1.
  ///   - message: What is wrong and what would be right.
  public init(file: String, line: Int, message: String) {
    self.file = file
    self.line = line
    self.message = message
  }

  /// `file:line: error: message`.
  public var description: String { "\(file):\(line): error: \(message)" }
}
