/// The form of names of statements, fragments and migrations.
enum SQLName {
  /// PostgreSQL's own limit for a name; a longer prepared statement's name would be hard to find in its views.
  static let maximumLength = 63

  /// Swift's names that a generated property cannot take as they are.
  private static let swiftKeywords: Set<String> = [
    "as", "associatedtype", "break", "case", "catch", "class", "continue", "default", "defer", "deinit", "do", "else",
    "enum", "extension", "fallthrough", "false", "fileprivate", "for", "func", "guard", "if", "import", "in", "init",
    "inout", "internal", "is", "let", "nil", "operator", "private", "protocol", "public", "repeat", "rethrows",
    "return",
    "self", "static", "struct", "subscript", "super", "switch", "throw", "throws", "true", "try", "typealias", "var",
    "where", "while",
  ]

  /// What is wrong with a name, or nil.
  static func problem(in name: String) -> String? {
    let parts = name.split(separator: "_", omittingEmptySubsequences: false)
    let isSnakeCase =
      parts.allSatisfy { part in
        !part.isEmpty && part.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) }
      } && name.utf8.first.map { (0x61...0x7a).contains($0) } == true
    if !isSnakeCase { return "the name `\(name)` is not in snake case; write it like `connection_join`" }
    if name.utf8.count > maximumLength {
      return "the name `\(name)` has \(name.utf8.count) bytes; keep it to \(maximumLength)"
    }
    if name == "all" { return "the name `all` is taken by the list of all statements; choose another" }
    return nil
  }

  /// The Swift property's name: `connection_join` becomes `connectionJoin`.
  static func swiftIdentifier(_ name: String) -> String {
    let parts = name.split(separator: "_")
    let joined = parts.enumerated().map { index, part in
      index == 0 ? String(part) : part.prefix(1).uppercased() + part.dropFirst()
    }.joined()
    return swiftKeywords.contains(joined) ? "`\(joined)`" : joined
  }
}
