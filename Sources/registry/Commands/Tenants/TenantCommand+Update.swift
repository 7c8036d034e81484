import ArgumentParser
import ConnectionRegistry

extension TenantCommand {
  /// Changes a tenant.
  struct Update: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change a tenant; what is not given stays as it is.",
      discussion: """
        A running service notices within seconds. How the database with Terra's table terra_users is reached is read from \
        a file, or from REGISTRY_TENANT_TERRA_USERS_URL, never from arguments; it is stored sealed and never shown. The \
        schedule then copies the table as often as it asks for Terra's listing.
        """)

    @Argument(help: "The tenant's slug.")
    var slug: String

    @Option(help: ArgumentHelp("The dev-id at Terra.", valueName: "id"))
    var devID: String?

    @Option(
      name: .customLong("return-url"),
      help: ArgumentHelp(
        "A URL that browsers may return to; all that are given together replace the list.", valueName: "url"))
    var returnURLs: [String] = []

    @Option(
      name: .customLong("terra-users-url-file"),
      help: ArgumentHelp(
        "The file that holds the connection string of the database with terra_users; - is standard input.",
        valueName: "file"))
    var terraUsersURLFile: String?

    @Flag(name: .customLong("no-terra-users"), help: "Copy terra_users no more.")
    var endsTerraUsers = false

    @Flag(help: "Do not ask before terra_users is copied no more.")
    var yes = false

    @OptionGroup var settings: TenantSettingOptions
    @OptionGroup var scope: RegistryScope

    private static let terraUsersURL = SecretSource(
      option: "--terra-users-url-file", variable: "REGISTRY_TENANT_TERRA_USERS_URL")

    func validate() throws {
      guard !endsTerraUsers || terraUsersURLFile == nil else {
        throw ValidationError("Give --terra-users-url-file or --no-terra-users.")
      }
    }

    func run() async throws {
      if endsTerraUsers {
        try Confirmation.require(
          "How terra_users of \(slug) is reached is forgotten, and the schedule copies it no more. Go on?", yes: yes)
      }
      var change = TenantChange()
      change.terraUsers =
        try endsTerraUsers
        ? .nowhere : Self.terraUsersURL.readIfGiven(file: terraUsersURLFile).map { .database($0) }
      change.devID = devID
      change.returnURLs = returnURLs.isEmpty ? nil : returnURLs
      change.terraBaseURL = settings.terraBaseURL
      change.terraWidgetURL = settings.terraWidgetURL
      change.grace = settings.grace?.duration
      change.sessionExpiry = settings.sessionExpiry?.duration
      change.horizon = settings.horizon?.duration
      change.signatureFailingAfter = settings.signatureFailingAfter?.duration
      change.shadow = settings.shadow
      change.bindsBrowser = settings.bindsBrowser
      change.providerEvery = settings.providerEvery?.duration
      change.repair = settings.repair
      try await scope.print { [change] in try await $0.tenants.update(slug, change) }
    }
  }

  /// Shows what is left to do for a tenant.
  struct Steps: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what to do at Terra and in the team's code, as `tenant create` did.")

    @Argument(help: "The tenant's slug.")
    var slug: String

    @OptionGroup var scope: RegistryScope

    func run() async throws {
      let steps = try await scope.with { registry in
        let tenant = try await registry.tenants.show(slug)
        return TenantWithSteps(tenant: tenant, nextSteps: registry.onboarding(of: tenant))
      }
      try steps.print(scope.output.format)
    }
  }
}
