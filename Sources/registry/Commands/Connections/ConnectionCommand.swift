import ArgumentParser
import ConnectionRegistry

/// Connections: authenticated accounts.
struct ConnectionCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "connection", abstract: "Connections: one authenticated account of one app user at one provider.",
    subcommands: [List.self, Show.self, Tags.self, Deauthenticate.self, Import.self, Export.self])
}

extension ConnectionCommand {
  /// Lists connections.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List connections, oldest first; without --status those that were ever connected.")

    @OptionGroup var filter: ConnectionFilterOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var scope: TenantScope

    static let columns = [
      Column("user_id", header: "user id"), Column("resource"), Column("reference_id", header: "reference id"),
      Column("status", .status), Column("superseded_by", header: "superseded by"),
      Column("needs_reauth", header: "needs reauth"),
      Column("last_data_at", header: "last data", .time), Column("created_at", header: "created", .time),
    ]

    func run() async throws {
      try await scope.list(page, columns: Self.columns, empty: "No connections.") {
        try await $0.connections.list(tenant: $1, filter: filter.filter, page: $2)
      }
    }
  }

  /// Shows one connection.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show one connection with its changes, events and sessions.")

    @Argument(help: ArgumentHelp("Terra's id of the connection.", valueName: "user-id"))
    var userID: String

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.print {
        try await $0.connections.show(tenant: $1, userID)
      }
    }
  }
}
