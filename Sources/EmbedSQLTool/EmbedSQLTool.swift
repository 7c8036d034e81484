import EmbedSQLParsing
import Foundation

/// Reads the `sql` folder, checks it, and writes the Swift that embeds it: `EmbedSQLTool SQL-FOLDER OUTPUT-FOLDER`. Or
/// embeds single files as they are: `EmbedSQLTool --texts ENUMERATION OUTPUT-FILE SQL-FILE …`.
@main struct EmbedSQLTool {
  static func main() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.first == "--texts", arguments.count > 3 {
      return embed(arguments[3...], as: arguments[1], in: arguments[2])
    }
    guard arguments.count == 2, let folder = arguments.first, let output = arguments.last else {
      return fail([
        "usage: EmbedSQLTool SQL-FOLDER OUTPUT-FOLDER",
        "       EmbedSQLTool --texts ENUMERATION OUTPUT-FILE SQL-FILE …",
      ])
    }
    do {
      let root = URL(filePath: folder)
      let catalog = SQLCatalog(
        migrations: try files(in: root.appending(path: "migrations")),
        queries: try files(in: root.appending(path: "queries")),
        fragments: try files(in: root.appending(path: "queries/fragments")))
      guard catalog.problems.isEmpty else { return fail(catalog.problems.map(\.description)) }
      let renderer = SwiftRenderer(catalog)
      let destination = URL(filePath: output)
      try write(renderer.statements(), to: destination.appending(path: "RegistryStatements.swift"))
      try write(renderer.migrations(), to: destination.appending(path: "RegistryMigrations.swift"))
    } catch {
      fail(["error: cannot embed the SQL of \(folder): \(error)"])
    }
  }

  private static func embed(_ paths: ArraySlice<String>, as name: String, in output: String) {
    do {
      let files = try paths.map { try file(URL(filePath: $0)) }
      try write(SwiftRenderer.texts(of: files, as: name), to: URL(filePath: output))
    } catch {
      fail(["error: cannot embed \(paths.joined(separator: ", ")): \(error)"])
    }
  }

  /// The `.sql` files of a folder; a folder that is not there has none.
  private static func files(in folder: URL) throws -> [SQLFile] {
    guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
    return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .filter { $0.pathExtension == "sql" }
      .map(file)
  }

  private static func file(_ location: URL) throws -> SQLFile {
    SQLFile(name: location.lastPathComponent, path: location.path, bytes: Array(try Data(contentsOf: location)))
  }

  private static func write(_ text: String, to file: URL) throws {
    try Data(text.utf8).write(to: file, options: .atomic)
  }

  private static func fail(_ lines: [String]) {
    FileHandle.standardError.write(Data((lines.joined(separator: "\n") + "\n").utf8))
    exit(1)
  }
}
