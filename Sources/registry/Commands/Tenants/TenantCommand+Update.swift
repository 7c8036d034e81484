import ArgumentParser
import ConnectionRegistry

extension TenantCommand {
  /// Changes a tenant.
  struct Update: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change a tenant; what is not given stays as it is.",
      discussion: "A running service notices within seconds.")

    @Argument(help: "The tenant's slug.")
    var slug: String

    @Option(
      name: .customLong("return-url"),
      help: ArgumentHelp(
        "A URL that browsers may return to; all that are given together replace the list.", valueName: "url"))
    var returnURLs: [String] = []

    @Option(
      name: .customLong("terra-base-url"), help: ArgumentHelp("Terra's REST API, with its version.", valueName: "url"))
    var terraBaseURL: String?

    @Option(
      name: .customLong("terra-widget-url"),
      help: ArgumentHelp("Where widget sessions are made, in full.", valueName: "url"))
    var terraWidgetURL: String?

    @Option(help: ArgumentHelp("How long a missing event or callback is waited for, such as 10m.", valueName: "time"))
    var grace: DurationArgument?

    @Option(help: ArgumentHelp("How long a session lives.", valueName: "time"))
    var sessionExpiry: DurationArgument?

    @Option(help: ArgumentHelp("How old a signed event may be before it is quarantined.", valueName: "time"))
    var horizon: DurationArgument?

    @Option(help: ArgumentHelp("How long all deliveries may be rejected before that is a finding.", valueName: "time"))
    var signatureFailingAfter: DurationArgument?

    @Flag(inversion: .prefixedNo, help: "Only record and report, beside a live system.")
    var shadow: Bool?

    @Flag(inversion: .prefixedNo, help: "Demand that the browser that comes back is the one that began.")
    var bindsBrowser: Bool?

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      var change = TenantChange()
      change.returnURLs = returnURLs.isEmpty ? nil : returnURLs
      change.terraBaseURL = terraBaseURL
      change.terraWidgetURL = terraWidgetURL
      change.grace = grace?.duration
      change.sessionExpiry = sessionExpiry?.duration
      change.horizon = horizon?.duration
      change.signatureFailingAfter = signatureFailingAfter?.duration
      change.shadow = shadow
      change.bindsBrowser = bindsBrowser
      let tenant = try await RegistryAccess.withRegistry(database) { [change] in
        try await $0.tenants.update(slug, change)
      }
      try DetailPrinter(StandardOutput(), output.format).print(tenant)
    }
  }

  /// Shows what is left to do for a tenant.
  struct Steps: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what to do at Terra and in the team's code, as `tenant create` did.")

    @Argument(help: "The tenant's slug.")
    var slug: String

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let steps = try await RegistryAccess.withRegistry(database) { registry in
        let tenant = try await registry.tenants.show(slug)
        return TenantWithSteps(tenant: tenant, nextSteps: registry.onboarding(of: tenant))
      }
      try steps.print(output.format)
    }
  }
}
