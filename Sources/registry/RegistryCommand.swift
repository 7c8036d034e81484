import ArgumentParser
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
    groupedSubcommands: [
      CommandGroup(name: "Run:", subcommands: [ServeCommand.self, SandboxCommand.self, DemoCommand.self]),
      CommandGroup(name: "Set up:", subcommands: [MigrateCommand.self, TenantCommand.self, KeyCommand.self]),
      CommandGroup(
        name: "Look and act:",
        subcommands: [
          SessionCommand.self, AppUserCommand.self, ConnectionCommand.self, EventCommand.self, CallbackCommand.self,
          ReconcileCommand.self, FindingCommand.self,
        ]),
    ])

  static func main() async {
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch OutputError.readerGone {
      // `registry finding list --all | head` has got what it wanted.
    } catch {
      guard !isOfTheParser(error) else { exit(withError: error) }
      FileHandle.standardError.write(Data("Error: \(sentence(error))\n".utf8))
      Foundation.exit(CommandExit(error).rawValue)
    }
  }

  /// Help, versions, exit codes and usage errors, which the parser prints itself.
  private static func isOfTheParser(_ error: any Error) -> Bool {
    error is ExitCode || error is CleanExit || error is ValidationError || exitCode(for: error) == .validationFailure
      || exitCode(for: error) == .success
  }

  private static func sentence(_ error: any Error) -> String {
    let text = StandardOutput.printable("\(error)")
    return text.prefix(1).uppercased() + text.dropFirst()
  }
}
