/// A named statement as it stands in a file of `sql/queries`, its fragments pasted in.
public struct StatementSource: Sendable, Hashable {
  /// The name in snake case, unique over all files.
  public let name: String
  /// The database role that runs it.
  public let role: String
  /// Whether it only reads, as its words tell (``SQLStatement/isReadOnly``).
  public let isReadOnly: Bool
  /// Whether its header says that it may take long.
  public let isLong: Bool
  /// Whether to run it twice is to run it once; its header says where it is not.
  public let isRepeatable: Bool
  /// The text that is sent.
  public let text: String
  /// How many parameters it takes: `$1` up to this number all occur.
  public let parameterCount: Int
  /// What its header says about it in words, for the generated documentation.
  public let documentation: [String]
  /// The fragments it pastes in.
  public let fragments: [String]
  /// The file, for problems.
  public let file: String
  /// The line of its `-- name:`.
  public let line: Int
}

/// Reads one file of `sql/queries`.
///
/// A file holds one statement or more, each under a header of line comments:
/// ```sql
/// -- name: connection_join
/// -- role: service
/// -- include: matching
/// -- long: yes
/// -- repeatable: no
/// -- What it is for, in words.
/// ```
/// The fragment stands in for the line `--> matching`. What is left out is `role: service`, `long: no` and
/// `repeatable: yes`. Whether a statement only reads is not said but told from its words.
public struct StatementFile {
  /// The roles a statement can name.
  public static let roles = ["service", "worker", "owner"]

  private let file: String
  private let text: String
  private let fragments: [String: SQLFragment]
  /// Everything found wrong so far: a build tells all of it at once.
  public private(set) var problems: [SQLProblem] = []
  /// The statements that could be read.
  public private(set) var statements: [StatementSource] = []

  /// Reads the file's text.
  ///
  /// - Parameters:
  ///   - text: The content of the file.
  ///   - file: Its name, for problems.
  ///   - fragments: The fragments that statements may include, by name.
  public init(_ text: String, file: String, fragments: [String: SQLFragment] = [:]) {
    self.file = file
    self.text = text
    self.fragments = fragments
    do {
      try read()
    } catch {
      problems.append(error)
    }
  }

  private mutating func read() throws(SQLProblem) {
    let tokens = try SQLScanner.tokens(of: text, file: file)
    let starts = tokens.indices.filter { tokens[$0].header?.key == "name" }
    let preamble = tokens[..<(starts.first ?? tokens.endIndex)]
    if let stray = preamble.first(where: { !$0.isComment }) {
      report(stray.line, "a statement without a name; write `-- name: snake_case_name` on the line above it")
    } else if starts.isEmpty {
      report(1, "no statement; write `-- name: snake_case_name` and a statement, or delete the file")
    }
    for (index, start) in starts.enumerated() {
      let end = index + 1 < starts.count ? starts[index + 1] : tokens.endIndex
      readSection(Array(tokens[start..<end]))
    }
  }

  private mutating func readSection(_ tokens: [SQLToken]) {
    guard let first = tokens.first, let name = first.header?.value else { return }
    if let reason = SQLName.problem(in: name) { return report(first.line, reason) }

    let header = tokens.prefix(while: \.isComment)
    guard let settings = readHeader(header.dropFirst()) else { return }
    let body = tokens[header.endIndex...]
    guard let bodyStart = body.first else {
      return report(first.line, "the statement `\(name)` is empty; write its SQL below the header")
    }
    // An include line directly below the header is part of the statement, though the scanner takes it for a comment.
    let pasted = header.filter { $0.includeTarget != nil } + body
    guard let expanded = paste(pasted, into: name, line: first.line, declared: settings.includes) else { return }
    check(expanded, name: name, settings: settings, line: first.line, bodyLine: bodyStart.line)
  }

  private struct Header {
    var role = "service"
    var isLong = false
    var isRepeatable = true
    var includes: [String] = []
    var documentation: [String] = []
  }

  private mutating func readHeader(_ comments: ArraySlice<SQLToken>) -> Header? {
    var header = Header()
    var seen: Set<String> = []
    let before = problems.count
    for token in comments {
      if token.includeTarget != nil { continue }
      guard let (key, value) = token.header else {
        if case .lineComment(let comment) = token.kind { header.documentation.append(comment) }
        continue
      }
      switch key {
      case "role":
        if !seen.insert(key).inserted { report(token.line, "a second `-- role:`; keep one") }
        if Self.roles.contains(value) {
          header.role = value
        } else {
          report(token.line, "no role `\(value)`; it is one of \(Self.roles.joined(separator: ", "))")
        }
      case "long", "repeatable":
        if !seen.insert(key).inserted { report(token.line, "a second `-- \(key):`; keep one") }
        guard value == "yes" || value == "no" else {
          report(token.line, "`-- \(key): \(value)`: it is yes or no")
          continue
        }
        if key == "long" { header.isLong = value == "yes" } else { header.isRepeatable = value == "yes" }
      case "include":
        header.includes += value.split(separator: ",").map { String($0).trimmed }
      case _ where value.contains(" ") || value.isEmpty:
        // `-- Note: some words` is prose.
        if case .lineComment(let comment) = token.kind { header.documentation.append(comment) }
      default:
        report(token.line, "no setting `\(key)`; a header takes name, role, include, long and repeatable")
      }
    }
    return problems.count == before ? header : nil
  }

  /// The statement's text with its fragments in place of their lines.
  private mutating func paste(_ tokens: [SQLToken], into name: String, line: Int, declared: [String]) -> String? {
    let utf8 = Array(text.utf8)
    let before = problems.count
    var output: [UInt8] = []
    var used: Set<String> = []
    var position = tokens[0].range.lowerBound
    for token in tokens {
      guard let target = token.includeTarget else { continue }
      guard declared.contains(target) else {
        report(token.line, "`--> \(target)` without `-- include: \(target)` in the header of `\(name)`; add it")
        continue
      }
      guard let fragment = fragments[target] else {
        let known = fragments.keys.sorted().joined(separator: ", ")
        report(token.line, "no fragment `\(target)`; sql/queries/fragments has \(known.isEmpty ? "none" : known)")
        continue
      }
      used.insert(target)
      output += utf8[position..<token.range.lowerBound]
      output += Array(fragment.text.utf8)
      position = token.range.upperBound
    }
    output += utf8[position..<tokens[tokens.endIndex - 1].range.upperBound]
    for include in declared where !used.contains(include) && problems.count == before {
      report(
        line, "`\(name)` includes `\(include)` but has no line `--> \(include)`; write it or drop the include"
      )
    }
    return problems.count == before ? String(decoding: output, as: UTF8.self) : nil
  }

  private mutating func check(_ expanded: String, name: String, settings: Header, line: Int, bodyLine: Int) {
    let split: [SQLStatement]
    do {
      split = SQLStatement.split(try SQLScanner.tokens(of: expanded, file: file, firstLine: bodyLine), of: expanded)
    } catch {
      return problems.append(error)
    }
    guard let statement = split.first, !statement.tokens.isEmpty else {
      return report(line, "the statement `\(name)` is empty; write its SQL below the header")
    }
    if split.count > 1 {
      return report(
        split[1].line, "a second statement under the name `\(name)`; give it a `-- name:` of its own")
    }
    let parameters = statement.parameters
    let count = parameters.max() ?? 0
    if parameters.contains(0) {
      return report(line, "`\(name)` uses $0; parameters begin at $1")
    }
    if parameters.count != count {
      let missing = (1...count).filter { !parameters.contains($0) }.map { "$\($0)" }.joined(separator: ", ")
      return report(
        line, "`\(name)` uses parameters up to $\(count), but \(missing) never occurs; number them without gaps")
    }
    if statement.isReadOnly, !settings.isRepeatable {
      return report(line, "`\(name)` only reads, so it can be repeated; drop `-- repeatable: no`")
    }
    statements.append(
      StatementSource(
        name: name, role: settings.role, isReadOnly: statement.isReadOnly, isLong: settings.isLong,
        isRepeatable: settings.isRepeatable, text: statement.text.normalisingLineEnds, parameterCount: count,
        documentation: settings.documentation, fragments: settings.includes, file: file, line: line))
  }

  private mutating func report(_ line: Int, _ message: String) {
    problems.append(SQLProblem(file: file, line: line, message: message))
  }
}

extension SQLToken {
  /// `-- key: value`, when the token is that.
  var header: (key: String, value: String)? {
    guard case .lineComment(let text) = kind, let colon = text.firstIndex(of: ":") else { return nil }
    let key = String(text[..<colon])
    guard !key.isEmpty, key.allSatisfy({ $0 == "_" || ($0.isASCII && $0.isLetter && $0.isLowercase) }) else {
      return nil
    }
    return (key, String(text[text.index(after: colon)...]).trimmed)
  }

  /// The fragment's name, when the token is a line `--> name`.
  var includeTarget: String? {
    guard case .lineComment(let text) = kind, text.first == ">" else { return nil }
    return String(text.dropFirst()).trimmed
  }
}

extension String {
  /// With `\n` where a checkout wrote `\r\n`.
  var normalisingLineEnds: String { String(decoding: utf8.filter { $0 != 0x0d }, as: UTF8.self) }
}
