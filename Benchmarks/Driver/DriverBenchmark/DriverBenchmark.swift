import ArgumentParser

/// The registry's driver as one contender of `scripts/bench driver`.
@main
struct DriverBenchmark: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "DriverBenchmark", abstract: "Runs one workload through the registry's driver.",
    subcommands: [Measure.self, Prepare.self], defaultSubcommand: Measure.self)
}
