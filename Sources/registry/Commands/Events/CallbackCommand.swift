import ArgumentParser
import ConnectionRegistry
import Foundation

/// Redirect callbacks: what browsers claimed.
struct CallbackCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "callback", abstract: "Redirect callbacks: what browsers claimed, and what came of the claims.",
    subcommands: [List.self, Show.self])
}

extension CallbackCommand {
  /// Lists callbacks.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List callbacks, oldest first.")

    @OptionGroup var tenant: TenantOption
    @OptionGroup var page: PageOptions
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    static let columns = [
      Column("callback_id", header: "callback"), Column("outcome"), Column("verdict", .status),
      Column("session_id", header: "session"), Column("user_id", header: "claimed user id"),
      Column("reference_id", header: "claimed reference id"), Column("resource", header: "claimed resource"),
      Column("recorded_at", header: "recorded", .time),
    ]

    func run() async throws {
      try await RegistryAccess.withRegistry(database) { registry in
        var printer = ListPrinter(StandardOutput(), output.format, columns: Self.columns, empty: "No callbacks.")
        try await printer.print(page) { page in
          try await registry.callbacks.list(tenant: tenant.tenant, page: page)
        }
      }
    }
  }

  /// Shows one callback.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one callback with its claim as it came.")

    @Argument(help: "The callback's id.", transform: UUIDArgument.parse)
    var callbackID: UUID

    @OptionGroup var tenant: TenantOption
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let callback = try await RegistryAccess.withRegistry(database) {
        try await $0.callbacks.show(tenant: tenant.tenant, callbackID)
      }
      try DetailPrinter(StandardOutput(), output.format).print(callback)
    }
  }
}
