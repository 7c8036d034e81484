import ArgumentParser
import ConnectionRegistry
import Foundation

/// Tenants: who uses this deployment.
struct TenantCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tenant", abstract: "Tenants: each is one environment of one team at Terra.",
    subcommands: [
      Create.self, List.self, Show.self, Update.self, RotateSecret.self, Disable.self, Enable.self, Steps.self,
    ])
}

extension TenantCommand {
  /// Makes a tenant.
  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a tenant.",
      discussion: """
        Terra's API key and the signing secret of the webhook destination are stored sealed and never shown. They are \
        read from files, or from REGISTRY_TENANT_TERRA_API_KEY and REGISTRY_TENANT_SIGNING_SECRET, never from \
        arguments.
        """)

    @Argument(help: "The tenant's name in routes and commands: lower-case letters, digits and hyphens.")
    var slug: String

    @Option(
      help: ArgumentHelp(
        "production, staging or testing; http://localhost may be returned to outside production.", valueName: "name"))
    var environment = "production"

    @Option(help: ArgumentHelp("The dev-id at Terra.", valueName: "id"))
    var devID: String

    @OptionGroup var secrets: TenantSecretOptions

    @Option(
      name: .customLong("return-url"),
      help: ArgumentHelp(
        "A URL that browsers may return to, or the beginning of its path; may be repeated.", valueName: "url"))
    var returnURLs: [String]

    @OptionGroup var settings: TenantSettingOptions
    @OptionGroup var scope: RegistryScope

    func run() async throws {
      let secrets = try secrets.read()
      let tenant = NewTenant(
        slug: slug, environment: environment, devID: devID, terraAPIKey: secrets.terraAPIKey,
        signingSecret: secrets.signingSecret, terraBaseURL: settings.terraBaseURL ?? NewTenant.defaultTerraBaseURL,
        terraWidgetURL: settings.terraWidgetURL ?? NewTenant.defaultTerraWidgetURL, returnURLs: returnURLs,
        grace: settings.grace?.duration, sessionExpiry: settings.sessionExpiry?.duration,
        horizon: settings.horizon?.duration, signatureFailingAfter: settings.signatureFailingAfter?.duration,
        shadow: settings.shadow ?? false, bindsBrowser: settings.bindsBrowser ?? false,
        providerEvery: settings.providerEvery?.duration, repair: settings.repair ?? RepairMode.none)
      let made = try await scope.with { registry in
        let tenant = try await registry.tenants.create(tenant)
        return TenantWithSteps(tenant: tenant, nextSteps: registry.onboarding(of: tenant))
      }
      try made.print(scope.output.format)
    }
  }

  /// Lists the tenants.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the tenants.")

    @OptionGroup var page: PageOptions
    @OptionGroup var scope: RegistryScope

    static let columns = [
      Column("slug"), Column("environment"), Column("dev_id"), Column("shadow"),
      Column("created_at", header: "created", .time), Column("disabled_at", header: "disabled", .time),
    ]

    func run() async throws {
      try await scope.list(
        page, columns: Self.columns, empty: "No tenants yet: `registry tenant create` makes one."
      ) {
        // The list goes by slug, so the last slug is the cursor.
        Listed(try await $0.tenants.list(after: $1.cursor, limit: $1.limit + 1), limit: $1.limit, cursor: \.slug)
      }
    }
  }

  /// Shows one tenant.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one tenant, without its secrets.")

    @Argument(help: "The tenant's slug.")
    var slug: String

    @OptionGroup var scope: RegistryScope

    func run() async throws {
      try await scope.print { try await $0.tenants.show(slug) }
    }
  }
}
