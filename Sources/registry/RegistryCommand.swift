import ArgumentParser
import CMalloc
import ConnectionRegistry
import Foundation

/// The executable: the service, and the commands of those who operate it.
@main
struct RegistryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "registry",
    abstract: "Keeps the truth about the wearables that people connect through Terra.",
    discussion: """
      Exit codes: 0 done, 1 found something (only with --fail-on), 2 not done or only partly, 64 wrong usage, \
      69 database or Terra unavailable, 78 schema newer than this binary or not migrated.
      """,
    version: version,
    groupedSubcommands: [
      CommandGroup(
        name: "Run:", subcommands: [ServeCommand.self, SandboxCommand.self, DemoCommand.self, SimulateCommand.self]),
      CommandGroup(
        name: "Set up:", subcommands: [MigrateCommand.self, TenantCommand.self, KeyCommand.self, EmbedderCommand.self]),
      CommandGroup(
        name: "Look and act:",
        subcommands: [
          SessionCommand.self, AppUserCommand.self, ConnectionCommand.self, EventCommand.self, CallbackCommand.self,
          ChangeCommand.self,
          ReconcileCommand.self, FindingCommand.self, EndpointCommand.self, DeliveryCommand.self,
        ]),
    ])

  /// The release, and the schema that it works on.
  private static var version: String {
    "registry \(RegistryRelease.number) (schema \(RegistryRelease.schema))"
  }

  static func main() async {
    // Before there are threads: each arena keeps what its own once needed at a time, and with one for each of ten the service
    // had 8 MiB more under load.
    registry_limit_arenas(2)
    // A reader that has gone is told by the write. A handler, not SIG_IGN: children would inherit that.
    signal(SIGPIPE) { _ in }
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch {
      guard !isOfTheParser(error) else { exit(withError: error) }
      StandardError.write("Error: \(sentence(error))\n")
      Foundation.exit(CommandExit(error).rawValue)
    }
  }

  /// Help, versions, exit codes and usage errors, which the parser prints itself.
  private static func isOfTheParser(_ error: any Error) -> Bool {
    error is ExitCode || error is CleanExit || error is ValidationError || exitCode(for: error) == .validationFailure
      || exitCode(for: error) == .success
  }

  private static func sentence(_ error: any Error) -> String {
    let text = StandardOutput.printable(
      error is OutputError ? "what was done stands, but not all of the answer was written: \(error)" : "\(error)")
    return text.prefix(1).uppercased() + text.dropFirst()
  }
}
