import ArgumentParser
import ConnectionRegistry
import Foundation

extension TenantCommand {
  /// Replaces secrets of a tenant.
  struct RotateSecret: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Replace the signing secret or Terra's API key.",
      discussion: """
        Each is read from a file, or from REGISTRY_TENANT_SIGNING_SECRET and REGISTRY_TENANT_TERRA_API_KEY, never from \
        arguments; what is given nowhere stays. Webhooks that are signed with the old secret are accepted for some \
        time, so that none is lost on its way. A running service notices within seconds.
        """)

    @Argument(help: "The tenant's slug.")
    var slug: String

    @OptionGroup var secrets: TenantSecretOptions

    @Option(help: ArgumentHelp("For how long old signing secrets are accepted; 48h without it.", valueName: "time"))
    var overlap: DurationArgument?

    @Flag(help: "End the old signing secrets at once, without an overlap.")
    var immediately = false

    @Flag(help: "Do not ask before signing secrets are ended at once.")
    var yes = false

    @OptionGroup var scope: RegistryScope

    func validate() throws {
      guard !immediately || overlap == nil else { throw ValidationError("Give --overlap or --immediately.") }
    }

    func run() async throws {
      let (key, signing) = try secrets.readIfGiven()
      guard signing != nil || key != nil else {
        throw ValidationError("Give a secret: --signing-secret-file or --terra-api-key-file.")
      }
      // Of a key for Terra alone there is nothing old that would be ended.
      if immediately, signing != nil {
        try Confirmation.require(
          "End the old signing secrets of \(slug) at once? What Terra has signed with them is refused.", yes: yes)
      }
      try await scope.print {
        try await $0.tenants.rotateSecrets(
          slug, signingSecret: signing, terraAPIKey: key,
          overlap: immediately ? .zero : overlap?.duration ?? Tenants.defaultOverlap)
      }
    }
  }

  /// Disables a tenant.
  struct Disable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Disable a tenant: its webhooks and keys are refused, nothing runs for it.",
      discussion: "What is stored stays. A running service notices within seconds. What Terra gives up to send is lost."
    )

    @Argument(help: "The tenant's slug.")
    var slug: String

    @Flag(help: "Do not ask.")
    var yes = false

    @OptionGroup var scope: RegistryScope

    func run() async throws {
      try Confirmation.require(
        "Disable the tenant \(slug)? Its webhooks and keys are refused, and what Terra gives up to send is lost.",
        yes: yes)
      try await scope.print { try await $0.tenants.disable(slug) }
    }
  }

  /// Enables a tenant again.
  struct Enable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Enable a tenant that was disabled.")

    @Argument(help: "The tenant's slug.")
    var slug: String

    @OptionGroup var scope: RegistryScope

    func run() async throws {
      try await scope.print { try await $0.tenants.disable(slug, false) }
    }
  }
}
