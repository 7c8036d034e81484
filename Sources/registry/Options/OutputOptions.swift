import ArgumentParser

/// How a command prints.
struct OutputOptions: ParsableArguments {
  @Option(help: "How to print.")
  var format: OutputFormat = .table
}
