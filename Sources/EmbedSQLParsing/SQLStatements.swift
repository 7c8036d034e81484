/// One statement cut out of a text: no semicolon, no comments around it.
public struct SQLStatement: Sendable, Hashable {
  /// The text as the server gets it; comments inside are kept, so that a statement in the server's log reads like its file.
  public let text: String
  /// The line on which the first token stands, from 1.
  public let line: Int
  /// The tokens of the statement, comments included.
  public let tokens: [SQLToken]

  /// The first words, for recognising what the statement does: at most two.
  public var leadingWords: [String] {
    tokens.lazy.filter { !$0.isComment }.prefix(2).compactMap {
      if case .word(let word) = $0.kind { word } else { nil }
    }
  }

  /// The numbers of the parameters that occur.
  public var parameters: Set<Int> {
    Set(tokens.compactMap { if case .parameter(let number) = $0.kind { number } else { nil } })
  }

  /// Splits a text at the semicolons that end statements.
  ///
  /// - Parameters:
  ///   - tokens: The tokens of `text`.
  ///   - text: The whole text the tokens point into.
  /// - Returns: The statements in order. Two semicolons in a row make an empty one, which has no tokens.
  public static func split(_ tokens: some Sequence<SQLToken>, of text: String) -> [SQLStatement] {
    var statements: [SQLStatement] = []
    var current: [SQLToken] = []
    var body = FunctionBodyTracker()
    for token in tokens {
      if token.kind == .semicolon, !body.isInside {
        statements.append(make(current, text: text, line: token.line))
        current = []
        body = FunctionBodyTracker()
      } else {
        body.take(token)
        current.append(token)
      }
    }
    if current.contains(where: { !$0.isComment }) {
      statements.append(make(current, text: text, line: current[0].line))
    }
    return statements
  }

  private static func make(_ tokens: [SQLToken], text: String, line: Int) -> SQLStatement {
    guard let first = tokens.firstIndex(where: { !$0.isComment }),
      let last = tokens.lastIndex(where: { !$0.isComment })
    else { return SQLStatement(text: "", line: line, tokens: []) }
    let utf8 = Array(text.utf8)
    let range = tokens[first].range.lowerBound..<tokens[last].range.upperBound
    return SQLStatement(
      text: String(decoding: utf8[range], as: UTF8.self), line: tokens[first].line, tokens: Array(tokens[first...last]))
  }
}

/// Knows whether a semicolon stands in a `BEGIN ATOMIC … END` body, where it does not end the statement; the rule is psql's.
private struct FunctionBodyTracker {
  private var words: [String] = []
  private var depth = 0

  var isInside: Bool { depth > 0 }

  mutating func take(_ token: SQLToken) {
    guard case .word(let word) = token.kind else { return }
    if words.count < 4 { words.append(word) }
    guard words.first == "create", words.contains("function") || words.contains("procedure") else { return }
    switch word {
    case "begin": depth += 1
    case "case" where depth > 0: depth += 1
    case "end" where depth > 0: depth -= 1
    default: break
    }
  }
}
