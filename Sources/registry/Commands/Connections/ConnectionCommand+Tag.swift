import ArgumentParser
import ConnectionRegistry

extension ConnectionCommand {
  /// Changes a connection's tags.
  struct Tags: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "tag", abstract: "Set and take away a connection's tags; the others stay.")

    @Argument(help: ArgumentHelp("Terra's id of the connection.", valueName: "user-id"))
    var userID: String

    @OptionGroup var tags: TagOptions
    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.print {
        try await $0.connections.tag(tenant: $1, userID, tags.changes)
      }
    }
  }
}
