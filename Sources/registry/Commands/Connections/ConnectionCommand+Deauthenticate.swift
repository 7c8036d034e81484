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

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try Confirmation.require(
        "End the connection \(StandardOutput.printable(userID)) of \(scope.tenant) at Terra? It cannot be undone.",
        yes: yes)
      let ended = try await scope.print {
        try await $0.connections.deauthenticate(tenant: $1, userID, source: "operator")
      }
      if ended.outcome == .alreadyGone { Progress.say("Terra did not know the connection any more.") }
    }
  }
}
