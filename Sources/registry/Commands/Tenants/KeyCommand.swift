public import ArgumentParser
public import ConnectionRegistry
import Foundation

/// API keys: what a team's backend shows to the registry.
struct KeyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "key", abstract: "API keys: what a team's backend shows to the registry.",
    subcommands: [Create.self, List.self])
}

extension APIKeyScope: ExpressibleByArgument {}

extension KeyCommand {
  /// Makes a key.
  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make an API key, and show it this once.",
      discussion: "Only the key's SHA-256 is stored. Whoever has lost a key makes another one.")

    @OptionGroup var tenant: TenantOption

    @Option(help: ArgumentHelp("What the key is for.", valueName: "text"))
    var name: String

    @Option(
      name: .customLong("scope"), parsing: .singleValue,
      help: ArgumentHelp("What the key may do; may be repeated.", valueName: "scope"))
    var scopes: [APIKeyScope]

    @Option(help: ArgumentHelp("How long the key holds, such as 90d; without it for ever.", valueName: "time"))
    var expiresIn: DurationArgument?

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let expiry = expiresIn.map { Date.now.addingTimeInterval($0.duration / .seconds(1)) }
      let key = try await RegistryAccess.withRegistry(database) {
        try await $0.keys.create(tenant: tenant.tenant, name: name, scopes: Set(scopes), expiresAt: expiry)
      }
      try DetailPrinter(StandardOutput(), output.format).print(key)
      Progress.say("The key is shown only now. Keep it where secrets are kept.")
    }
  }

  /// Lists a tenant's keys.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List a tenant's API keys, without the keys themselves.")

    @OptionGroup var tenant: TenantOption
    @OptionGroup var page: PageOptions
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    static let columns = [
      Column("key_id"), Column("name"), Column("scopes"), Column("created_at", header: "created", .time),
      Column("expires_at", header: "expires", .time), Column("revoked_at", header: "revoked", .time),
      Column("last_used_at", header: "last used", .time),
    ]

    func run() async throws {
      try await RegistryAccess.withRegistry(database) { registry in
        var printer = ListPrinter(
          StandardOutput(), output.format, columns: Self.columns, empty: "This tenant has no API keys.")
        let keys = try await registry.keys.list(tenant: tenant.tenant)
        try await printer.print(page) { page in
          let start =
            page.cursor.flatMap { cursor in
              keys.firstIndex { $0.keyID.uuidString.lowercased() == cursor }.map { $0 + 1 }
            } ?? 0
          let shown = Array(keys[start...].prefix(page.limit))
          let isLast = start + shown.count == keys.count
          return Listed(items: shown, nextCursor: isLast ? nil : shown.last?.keyID.uuidString.lowercased())
        }
      }
    }
  }
}
