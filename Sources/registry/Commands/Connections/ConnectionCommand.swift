public import ArgumentParser
import ConnectionRegistry
public import RegistryModel

/// Connections: authenticated accounts.
struct ConnectionCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "connection", abstract: "Connections: one authenticated account of one app user at one provider.",
    subcommands: [List.self, Show.self, Deauthenticate.self, Import.self])
}

extension ConnectionStatus: ExpressibleByArgument {}

extension ConnectionCommand {
  /// Lists connections.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List connections, oldest first; without --status those that were ever connected.")

    @OptionGroup var tenant: TenantOption

    @Option(name: .customLong("reference-id"), help: ArgumentHelp("Only of this app user.", valueName: "id"))
    var referenceID: String?

    @Option(help: ArgumentHelp("Only at this provider, such as FITBIT.", valueName: "name"))
    var resource: String?

    @Option(
      name: .customLong("status"), help: ArgumentHelp("Only in this state; may be repeated.", valueName: "status"))
    var statuses: [ConnectionStatus] = []

    @OptionGroup var page: PageOptions
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    static let columns = [
      Column("user_id", header: "user id"), Column("resource"), Column("reference_id", header: "reference id"),
      Column("status", .status), Column("superseded_by", header: "superseded by"),
      Column("needs_reauth", header: "needs reauth"),
      Column("last_data_at", header: "last data", .time), Column("created_at", header: "created", .time),
    ]

    func run() async throws {
      let filter = ConnectionFilter(
        referenceID: referenceID, resource: resource?.uppercased(), statuses: statuses.isEmpty ? nil : Set(statuses))
      try await RegistryAccess.withRegistry(database) { registry in
        var printer = ListPrinter(StandardOutput(), output.format, columns: Self.columns, empty: "No connections.")
        try await printer.print(page) { page in
          try await registry.connections.list(tenant: tenant.tenant, filter: filter, page: page)
        }
      }
    }
  }

  /// Shows one connection.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show one connection with its changes, events and sessions.")

    @Argument(help: ArgumentHelp("Terra's id of the connection.", valueName: "user-id"))
    var userID: String

    @OptionGroup var tenant: TenantOption
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let detail = try await RegistryAccess.withRegistry(database) {
        try await $0.connections.show(tenant: tenant.tenant, userID)
      }
      try DetailPrinter(StandardOutput(), output.format).print(detail)
    }
  }
}
