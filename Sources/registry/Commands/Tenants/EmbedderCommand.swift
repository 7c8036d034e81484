import ArgumentParser
import ConnectionRegistry

/// Logins of PostgreSQL that work with the registry inside their own transactions.
struct EmbedderCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "embedder", abstract: "Logins of PostgreSQL that may call the functions of the schema registry_api.",
    discussion: """
      Beside a place here, a login must be a member of registry_embedder: let whoever administers the database run \
      `GRANT registry_embedder TO <login>`.
      """,
    subcommands: [Add.self, List.self, Remove.self])
}

extension EmbedderCommand {
  /// Lets a login act for a tenant.
  struct Add: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Let a login act for a tenant.")

    @Argument(help: ArgumentHelp("The login's name.", valueName: "login"))
    var login: String

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.with {
        try await $0.embedders.add(tenant: $1, login: login)
      }
    }
  }

  /// Lists the logins of a tenant.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the logins that may act for a tenant.")

    @OptionGroup var scope: TenantScope

    static let columns = [Column("login"), Column("created_at", header: "since", .time)]

    func run() async throws {
      try await scope.with { registry, tenant in
        var printer = scope.registry.listPrinter(columns: Self.columns, empty: "No logins.")
        let logins = try await registry.embedders.list(tenant: tenant)
        try OutputError.whileRead { try printer.print(logins) }
      }
    }
  }

  /// Lets a login act for a tenant no longer.
  struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Let a login act for a tenant no longer.")

    @Argument(help: ArgumentHelp("The login's name.", valueName: "login"))
    var login: String

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.with {
        try await $0.embedders.remove(tenant: $1, login: login)
      }
    }
  }
}
