import ArgumentParser
import ConnectionRegistry
import Foundation

/// Tenants: who uses this deployment.
struct TenantCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tenant", abstract: "Tenants: each is one environment of one team at Terra.",
    subcommands: [Create.self, List.self, Show.self, Update.self, Steps.self])
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

    @Option(help: ArgumentHelp("The file that holds Terra's API key; - is standard input.", valueName: "file"))
    var terraAPIKeyFile: String?

    @Option(help: ArgumentHelp("The file that holds the signing secret; - is standard input.", valueName: "file"))
    var signingSecretFile: String?

    @Option(
      name: .customLong("terra-base-url"), help: ArgumentHelp("Terra's REST API, with its version.", valueName: "url"))
    var terraBaseURL = NewTenant.defaultTerraBaseURL

    @Option(
      name: .customLong("terra-widget-url"),
      help: ArgumentHelp("Where widget sessions are made, in full.", valueName: "url"))
    var terraWidgetURL = NewTenant.defaultTerraWidgetURL

    @Option(
      name: .customLong("return-url"),
      help: ArgumentHelp(
        "A URL that browsers may return to, or the beginning of its path; may be repeated.", valueName: "url"))
    var returnURLs: [String]

    @Option(help: ArgumentHelp("How long a missing event or callback is waited for, such as 10m.", valueName: "time"))
    var grace: DurationArgument?

    @Option(help: ArgumentHelp("How long a session lives; without it as long as Terra says.", valueName: "time"))
    var sessionExpiry: DurationArgument?

    @Option(help: ArgumentHelp("How old a signed event may be before it is quarantined.", valueName: "time"))
    var horizon: DurationArgument?

    @Option(help: ArgumentHelp("How long all deliveries may be rejected before that is a finding.", valueName: "time"))
    var signatureFailingAfter: DurationArgument?

    @Flag(help: "Only record and report, beside a live system.")
    var shadow = false

    @Flag(help: "Demand that the browser that comes back is the one that began; sessions then begin at /connect.")
    var bindsBrowser = false

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
      if terraAPIKeyFile == "-", signingSecretFile == "-" {
        throw ValidationError("Only one secret can come from standard input.")
      }
    }

    func run() async throws {
      let tenant = NewTenant(
        slug: slug, environment: environment, devID: devID,
        terraAPIKey: try SecretSource.read(
          file: terraAPIKeyFile, option: "--terra-api-key-file", variable: "REGISTRY_TENANT_TERRA_API_KEY"),
        signingSecret: try SecretSource.read(
          file: signingSecretFile, option: "--signing-secret-file", variable: "REGISTRY_TENANT_SIGNING_SECRET"),
        terraBaseURL: terraBaseURL, terraWidgetURL: terraWidgetURL, returnURLs: returnURLs, grace: grace?.duration,
        sessionExpiry: sessionExpiry?.duration, horizon: horizon?.duration,
        signatureFailingAfter: signatureFailingAfter?.duration, shadow: shadow,
        bindsBrowser: bindsBrowser)
      let made = try await RegistryAccess.withRegistry(database) { registry in
        let tenant = try await registry.tenants.create(tenant)
        return TenantWithSteps(tenant: tenant, nextSteps: registry.onboarding(of: tenant))
      }
      try made.print(output.format)
    }
  }

  /// Lists the tenants.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the tenants.")

    @OptionGroup var page: PageOptions
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    static let columns = [
      Column("slug"), Column("environment"), Column("dev_id"), Column("shadow"),
      Column("created_at", header: "created", .time), Column("disabled_at", header: "disabled", .time),
    ]

    func run() async throws {
      try await RegistryAccess.withRegistry(database) { registry in
        var printer = ListPrinter(
          StandardOutput(), output.format, columns: Self.columns,
          empty: "No tenants yet: `registry tenant create` makes one.")
        try await printer.print(page) { page in
          // The list goes by slug, so the last slug is the cursor.
          let tenants = try await registry.tenants.list(after: page.cursor, limit: page.limit + 1)
          let shown = Array(tenants.prefix(page.limit))
          return Listed(items: shown, nextCursor: tenants.count > page.limit ? shown.last?.slug : nil)
        }
      }
    }
  }

  /// Shows one tenant.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one tenant, without its secrets.")

    @Argument(help: "The tenant's slug.")
    var slug: String

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let tenant = try await RegistryAccess.withRegistry(database) { try await $0.tenants.show(slug) }
      try DetailPrinter(StandardOutput(), output.format).print(tenant)
    }
  }
}
