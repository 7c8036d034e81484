import ArgumentParser
import ConnectionRegistry

/// App users: the people, by the team's own ids.
struct AppUserCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "app-user", abstract: "App users: the team's end users, by the team's own ids.",
    subcommands: [Show.self])

  /// Shows one app user.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show one app user with all connections and sessions.")

    @Argument(help: ArgumentHelp("The app user's id at the team.", valueName: "reference-id"))
    var referenceID: String

    @OptionGroup var tenant: TenantOption
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let detail = try await RegistryAccess.withRegistry(database) {
        try await $0.appUsers.show(tenant: tenant.tenant, referenceID)
      }
      try DetailPrinter(StandardOutput(), output.format).print(detail)
    }
  }
}
