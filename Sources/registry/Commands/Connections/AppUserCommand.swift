import ArgumentParser
import ConnectionRegistry

/// App users: the people, by the team's own ids.
struct AppUserCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "app-user", abstract: "App users: the team's end users, by the team's own ids.",
    subcommands: [List.self, Show.self, Tags.self, Merge.self, Export.self, Erase.self])

  /// Shows one app user.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show one app user with all connections and sessions.")

    @Argument(help: ArgumentHelp("The app user's id at the team.", valueName: "reference-id"))
    var referenceID: String

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.print {
        try await $0.appUsers.show(tenant: $1, referenceID)
      }
    }
  }
}
