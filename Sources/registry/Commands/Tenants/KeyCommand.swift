public import ArgumentParser
public import ConnectionRegistry
import Foundation

/// API keys: what a team's backend shows to the registry.
struct KeyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "key", abstract: "API keys: what a team's backend shows to the registry.",
    subcommands: [Create.self, List.self, Show.self, Rotate.self, Revoke.self])
}

extension APIKeyScope: ExpressibleByArgument {}

extension KeyCommand {
  /// Makes a key.
  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make an API key, and show it this once.",
      discussion: "Only the key's SHA-256 is stored. Whoever has lost a key makes another one.")

    @Option(help: ArgumentHelp("What the key is for.", valueName: "text"))
    var name: String

    @Option(
      name: .customLong("scope"), parsing: .singleValue,
      help: ArgumentHelp("What the key may do; may be repeated.", valueName: "scope"))
    var scopes: [APIKeyScope]

    @Option(help: ArgumentHelp("How long the key holds, such as 90d; without it for ever.", valueName: "time"))
    var expiresIn: DurationArgument?

    @OptionGroup var scope: TenantScope

    func run() async throws {
      let expiry = expiresIn.map { Date.now.addingTimeInterval($0.duration / .seconds(1)) }
      try await scope.print {
        try await $0.keys.create(
          tenant: $1, name: name, scopes: Set(scopes), expiresAt: expiry, by: OperatorName.current)
      }
      Progress.say("The key is shown only now. Keep it where secrets are kept.")
    }
  }

  /// Lists a tenant's keys.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List a tenant's API keys, without the keys themselves.")

    @OptionGroup var span: SpanOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var scope: TenantScope

    static let columns = [
      Column("key_id"), Column("name"), Column("scopes"), Column("created_at", header: "created", .time),
      Column("expires_at", header: "expires", .time), Column("revoked_at", header: "revoked", .time),
      Column("last_used_at", header: "last used", .time),
    ]

    func run() async throws {
      try await scope.list(page, columns: Self.columns, empty: "This tenant has no API keys.") {
        try await $0.keys.list(tenant: $1, created: span.range, page: $2)
      }
    }
  }

  /// Shows one key.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one API key, without the key itself.")

    @Argument(help: "The key's id.", transform: UUIDArgument.parse)
    var keyID: UUID

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.print { try await $0.keys.show(tenant: $1, keyID) }
    }
  }
}
