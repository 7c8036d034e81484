/// One lexical unit of an SQL text; white space is not a token.
public struct SQLToken: Sendable, Hashable {
  /// What a token is. Only what the build needs to know is told apart.
  public enum Kind: Sendable, Hashable {
    /// A key word or an unquoted identifier, in lower case.
    case word(String)
    /// `'…'`, `E'…'`'s quoted part, `"…"` or `$tag$…$tag$`.
    case quoted
    /// `$1`.
    case parameter(Int)
    /// `-- …`, without the dashes and trimmed.
    case lineComment(String)
    /// `/* … */`, nested ones included.
    case blockComment
    /// `;`.
    case semicolon
    /// A number, an operator or a bracket.
    case other(UInt8)
  }

  /// What the token is.
  public let kind: Kind
  /// Where it stands in the text, in bytes.
  public let range: Range<Int>
  /// The line on which it begins, from 1.
  public let line: Int

  /// Whether the server would read this token as nothing.
  public var isComment: Bool {
    switch kind {
    case .lineComment, .blockComment: true
    default: false
    }
  }
}
