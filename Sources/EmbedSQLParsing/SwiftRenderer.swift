/// Writes the Swift that embeds a catalogue.
public struct SwiftRenderer {
  private let catalog: SQLCatalog

  /// Makes a renderer.
  ///
  /// - Parameter catalog: What to embed; it has no problems.
  public init(_ catalog: SQLCatalog) {
    self.catalog = catalog
  }

  /// The source of `RegistryStatements`.
  public func statements() -> String {
    let members = catalog.statements.map { statement in
      """
      \(documentation(of: statement))
        public static let \(SQLName.swiftIdentifier(statement.name)) = NamedStatement(
          name: "\(statement.name)", role: .\(statement.role), isReadOnly: \(statement.isReadOnly),
          isLong: \(statement.isLong), isRepeatable: \(statement.isRepeatable),
          parameterCount: \(statement.parameterCount), text: \(Self.literal(statement.text)))


      """
    }
    let names = catalog.statements.map { "    \(SQLName.swiftIdentifier($0.name)),\n" }
    return """
      // Made by the EmbedSQL plugin from sql/queries; edit those files.

      /// The product's SQL: every statement of `sql/queries`.
      public enum RegistryStatements {
      \(members.joined())  /// All of them, by name.
        public static let all: [NamedStatement] = [
      \(names.joined())  ]
      }

      """
  }

  /// The source of `RegistryMigrations`.
  public func migrations() -> String {
    let members = catalog.migrations.map { migration in
      """
          Migration(
            number: \(migration.number), name: "\(migration.name)", isBreaking: \(migration.isBreaking),
            isTransactional: \(migration.isTransactional),
            statements: [\(migration.statements.map { "\n" + Self.literal($0) + "," }.joined())
            ]),

      """
    }
    return """
      // Made by the EmbedSQL plugin from sql/migrations; edit those files.

      /// The schema's history: every file of `sql/migrations`.
      public enum RegistryMigrations {
        /// All of them, by number, from 1 without gaps.
        public static let all: [Migration] = [
      \(members.joined())  ]
      }

      """
  }

  /// The source of an enumeration that holds the text of each file, unchecked, for SQL that is no part of the product.
  ///
  /// - Parameters:
  ///   - files: What to embed, UTF-8; the names of the texts are those of the files.
  ///   - name: The enumeration's name.
  /// - Returns: The source; a text is a literal, which costs nobody who shares it a count of references.
  public static func texts(of files: [SQLFile], as name: String) -> String {
    let members = files.map { file in
      let identifier = SQLName.swiftIdentifier(String(file.name.prefix { $0 != "." }))
      return "  static let \(identifier) = \(literal(String(decoding: file.bytes, as: UTF8.self)))\n"
    }
    return """
      // Made by the EmbedBenchmarkSQL plugin from sql/benchmarks; edit those files.

      enum \(name) {
      \(members.joined())}

      """
  }

  private func documentation(of statement: StatementSource) -> String {
    let words = statement.documentation.filter { !$0.isEmpty }
    let lines = words.isEmpty ? ["The statement `\(statement.name)`."] : words
    return lines.map { "  /// \($0)" }.joined(separator: "\n")
  }

  /// A raw literal with as many `#` as the text needs to stand in it unchanged.
  private static func literal(_ text: String) -> String {
    var hashes = "#"
    while text.contains("\"\"\"" + hashes) || text.contains("\\" + hashes) { hashes += "#" }
    return "\(hashes)\"\"\"\n\(text)\n\"\"\"\(hashes)"
  }
}
