/// One file of the `sql` folder.
public struct SQLFile: Sendable, Hashable {
  /// Its own name, with the ending.
  public let name: String
  /// Its path as problems should show it.
  public let path: String
  /// Its bytes; they must be UTF-8.
  public let bytes: [UInt8]

  /// Makes a file.
  ///
  /// - Parameters:
  ///   - name: Its own name, with the ending.
  ///   - path: Its path as problems should show it.
  ///   - bytes: Its content.
  public init(name: String, path: String, bytes: [UInt8]) {
    self.name = name
    self.path = path
    self.bytes = bytes
  }
}

/// Everything that is embedded, checked file by file and across files.
public struct SQLCatalog: Sendable {
  /// The named statements, by name.
  public private(set) var statements: [StatementSource] = []
  /// The migrations by number.
  public private(set) var migrations: [MigrationSource] = []
  /// Everything wrong, in the order of the files.
  public private(set) var problems: [SQLProblem] = []

  /// Reads and checks all files.
  ///
  /// - Parameters:
  ///   - migrations: The files of `sql/migrations`.
  ///   - queries: The files of `sql/queries`.
  ///   - fragments: The files of `sql/queries/fragments`.
  public init(migrations: [SQLFile], queries: [SQLFile], fragments: [SQLFile]) {
    readMigrations(migrations.sorted { $0.name < $1.name })
    readQueries(queries.sorted { $0.name < $1.name }, fragments: fragments.sorted { $0.name < $1.name })
  }

  private mutating func readMigrations(_ files: [SQLFile]) {
    for file in files {
      guard let text = text(of: file) else { continue }
      do {
        migrations.append(try MigrationSource(fileName: file.name, text: text, file: file.path))
      } catch {
        problems.append(error)
      }
    }
    guard problems.isEmpty else { return }
    for (index, migration) in migrations.enumerated() where migration.number != index + 1 {
      let number = migration.number
      let twin = migrations[..<index].first { $0.number == number }?.file
      let message =
        twin.map { "the number \(number) is that of \($0) too; give this one \(index + 1)" }
        ?? "the number \(number) leaves a gap; the next migration is number \(index + 1)"
      problems.append(SQLProblem(file: migration.file, line: 1, message: message))
      return
    }
  }

  private mutating func readQueries(_ files: [SQLFile], fragments fragmentFiles: [SQLFile]) {
    var fragments: [String: SQLFragment] = [:]
    for file in fragmentFiles {
      guard let text = text(of: file) else { continue }
      do {
        let name = String(file.name.dropLast(4))
        fragments[name] = try SQLFragment(name: name, text: text, file: file.path)
      } catch {
        problems.append(error)
      }
    }
    var identifiers: [String: StatementSource] = [:]
    for file in files {
      guard let text = text(of: file) else { continue }
      let read = StatementFile(text, file: file.path, fragments: fragments)
      problems += read.problems
      for statement in read.statements {
        let identifier = SQLName.swiftIdentifier(statement.name)
        if let twin = identifiers.updateValue(statement, forKey: identifier) {
          problems.append(
            SQLProblem(
              file: statement.file, line: statement.line,
              message: "the name `\(statement.name)` is used at \(twin.file):\(twin.line) too; give one of them another"
            ))
        }
        statements.append(statement)
      }
    }
    statements.sort { $0.name < $1.name }
  }

  private mutating func text(of file: SQLFile) -> String? {
    if let text = String(validating: file.bytes, as: UTF8.self) { return text }
    let valid = file.bytes.prefix { $0 < 0x80 }.count { $0 == 0x0a }
    problems.append(SQLProblem(file: file.path, line: valid + 1, message: "the file is not UTF-8; save it as UTF-8"))
    return nil
  }
}
