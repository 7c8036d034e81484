import PackagePlugin

/// Embeds `sql/benchmarks/driver_select.sql` and `driver_upsert.sql` as Swift literals, as a team has its SQL.
@main struct EmbedBenchmarkSQL: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) async throws -> [Command] {
    let folder = context.package.directoryURL.appending(path: "sql/benchmarks")
    let inputs = ["driver_select.sql", "driver_upsert.sql"].map { folder.appending(path: $0) }
    let output = context.pluginWorkDirectoryURL.appending(path: "DriverStatements.swift")
    return [
      .buildCommand(
        displayName: "Embedding the SQL of \(target.name)",
        executable: try context.tool(named: "EmbedSQLTool").url,
        arguments: ["--texts", "DriverStatements", output.path] + inputs.map(\.path),
        inputFiles: inputs,
        outputFiles: [output])
    ]
  }
}
