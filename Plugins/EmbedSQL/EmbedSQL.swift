import Foundation
import PackagePlugin

/// Embeds the target's `migrations/*.sql` and `queries/**/*.sql` as Swift, and fails the build where one of them is wrong.
@main struct EmbedSQL: BuildToolPlugin {
  /// One command that reads all files, because names and numbers are checked across them.
  func createBuildCommands(context: PluginContext, target: any Target) async throws -> [Command] {
    guard let target = target as? SwiftSourceModuleTarget else { return [] }
    let root = target.directoryURL
    let inputs = ["migrations", "queries", "queries/fragments"].flatMap { folder in
      let contents = try? FileManager.default.contentsOfDirectory(
        at: root.appending(path: folder), includingPropertiesForKeys: nil)
      return (contents ?? []).filter { $0.pathExtension == "sql" }.sorted { $0.path < $1.path }
    }
    let output = context.pluginWorkDirectoryURL
    // The list of inputs is an argument's worth of change: a file added or removed alters it, and so runs the command again.
    return [
      .buildCommand(
        displayName: "Embedding the SQL of \(target.name)",
        executable: try context.tool(named: "EmbedSQLTool").url,
        arguments: [root.path, output.path],
        inputFiles: inputs,
        outputFiles: ["RegistryStatements.swift", "RegistryMigrations.swift"].map { output.appending(path: $0) })
    ]
  }
}
