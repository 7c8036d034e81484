import ArgumentParser
import ConnectionRegistry

extension ConnectionCommand {
  /// Ends a connection.
  struct Deauthenticate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "End a connection at Terra, for ever.",
      discussion: """
        Terra deletes what it holds about the connection, revokes the access at the provider, and sends a deauth \
        event. Connecting again gives another user id.
        """)

    @Argument(help: ArgumentHelp("Terra's id of the connection.", valueName: "user-id"))
    var userID: String

    @Flag(name: .long, help: "Do not ask.")
    var yes = false

    @OptionGroup var tenant: TenantOption
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      try Confirmation.require(
        "End the connection \(StandardOutput.printable(userID)) of \(tenant.tenant) at Terra? It cannot be undone.",
        yes: yes)
      let ended = try await RegistryAccess.withRegistry(database) {
        try await $0.connections.deauthenticate(tenant: tenant.tenant, userID, source: "operator")
      }
      try DetailPrinter(StandardOutput(), output.format).print(ended)
      if ended.outcome == .alreadyGone { Progress.say("Terra did not know the connection any more.") }
    }
  }
}
