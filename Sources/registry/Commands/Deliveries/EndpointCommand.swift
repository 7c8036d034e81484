public import ArgumentParser
public import ConnectionRegistry
import Foundation
import RegistryModel

/// Endpoints: where a tenant's backend takes deliveries.
struct EndpointCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "endpoint", abstract: "Endpoints: where a tenant's backend is told of changes.",
    subcommands: [
      Add.self, List.self, Show.self, Update.self, RotateSecret.self, Ping.self, Enable.self, Disable.self, Remove.self,
    ])
}

extension FindingTransitionType: ExpressibleByArgument {}

/// An endpoint of a tenant, as a command names it.
struct EndpointOptions: ParsableArguments {
  @Argument(help: "The endpoint's id.", transform: UUIDArgument.parse)
  var endpointID: UUID

  @OptionGroup var scope: TenantScope

  /// Does something with the endpoint and prints what comes of it.
  ///
  /// - Parameter act: Is given the registry, the tenant's slug and the endpoint's id.
  /// - Throws: What the act throws, and why the registry cannot be reached.
  func print<Value: Encodable & Sendable>(
    _ act: (ConnectionRegistry, String, UUID) async throws -> Value
  ) async throws {
    try await scope.print { try await act($0, $1, endpointID) }
  }
}

extension EndpointCommand {
  static let findingTypeHelp = ArgumentHelp(
    "Tell it of findings, too: finding.opened, .escalated, .resolved or .reopened; may be repeated.", valueName: "type")
  private static let secretIsShownOnce = "The secret is shown only now. Keep it where secrets are kept."

  /// Adds an endpoint.
  struct Add: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Add an endpoint, and show its secret this once.",
      discussion: "It is told of every change from now on; older ones come with `registry delivery replay`.")

    @Argument(help: "Where deliveries are sent, by POST; https, unless the tenant is for testing.")
    var url: String

    @Option(help: ArgumentHelp("What it is for.", valueName: "text"))
    var description = ""

    @Option(
      name: .customLong("status"),
      help: ArgumentHelp("Only changes to this state; may be repeated. Without it all.", valueName: "status"))
    var statuses: [ConnectionStatus] = []

    @Option(name: .customLong("finding-type"), help: EndpointCommand.findingTypeHelp)
    var findingTypes: [FindingTransitionType] = []

    @OptionGroup var scope: TenantScope

    func run() async throws {
      let new = NewEndpoint(
        url: url, description: description, statuses: statuses.isEmpty ? nil : Set(statuses),
        findingTypes: Set(findingTypes))
      try await scope.print {
        try await $0.endpoints.add(tenant: $1, new, by: OperatorName.current)
      }
      Progress.say(EndpointCommand.secretIsShownOnce)
    }
  }

  /// Lists a tenant's endpoints.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List endpoints, oldest first, without their secrets.")

    @OptionGroup var page: PageOptions
    @OptionGroup var scope: TenantScope

    static let columns = [
      Column("endpoint_id", header: "endpoint"), Column("url"), Column("description"), Column("statuses"),
      Column("finding_types", header: "findings"),
      Column("disabled_reason", header: "disabled"), Column("disabled_at", header: "disabled since", .time),
      Column("failing_since", header: "failing since", .time),
      Column("last_success_at", header: "last success", .time),
    ]

    func run() async throws {
      try await scope.list(page, columns: Self.columns, empty: "This tenant has no endpoints.") {
        try await $0.endpoints.list(tenant: $1, page: $2)
      }
    }
  }

  /// Shows one endpoint.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one endpoint, without its secret.")

    @OptionGroup var endpoint: EndpointOptions

    func run() async throws {
      try await endpoint.print { try await $0.endpoints.show(tenant: $1, $2) }
    }
  }

  /// Changes an endpoint.
  struct Update: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change an endpoint; what already waits goes to the new URL.")

    @OptionGroup var endpoint: EndpointOptions

    @Option(help: ArgumentHelp("Another URL.", valueName: "url"))
    var url: String?

    @Option(help: ArgumentHelp("Another description.", valueName: "text"))
    var description: String?

    @Option(
      name: .customLong("status"),
      help: ArgumentHelp("Only changes to this state; may be repeated.", valueName: "status"))
    var statuses: [ConnectionStatus] = []

    @Flag(help: "Changes to any state.")
    var allStatuses = false

    @Option(name: .customLong("finding-type"), help: EndpointCommand.findingTypeHelp)
    var findingTypes: [FindingTransitionType] = []

    @Flag(help: "Nothing of findings any more.")
    var noFindingTypes = false

    func validate() throws {
      guard !allStatuses || statuses.isEmpty else {
        throw ValidationError("Give --status or --all-statuses, not both.")
      }
      guard !noFindingTypes || findingTypes.isEmpty else {
        throw ValidationError("Give --finding-type or --no-finding-types, not both.")
      }
      guard
        url != nil || description != nil || allStatuses || !statuses.isEmpty || noFindingTypes || !findingTypes.isEmpty
      else {
        throw ValidationError(
          "Say what to change: --url, --description, --status, --all-statuses, --finding-type or --no-finding-types.")
      }
    }

    func run() async throws {
      var changes = EndpointChanges(url: url, description: description)
      if allStatuses { changes.statuses = .some(nil) }
      if !statuses.isEmpty { changes.statuses = .some(Set(statuses)) }
      if noFindingTypes || !findingTypes.isEmpty { changes.findingTypes = Set(findingTypes) }
      let wanted = changes
      try await endpoint.print { try await $0.endpoints.update(tenant: $1, $2, wanted, by: OperatorName.current) }
    }
  }

  /// Gives an endpoint a new secret.
  struct RotateSecret: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Give an endpoint a new secret, and show it this once.",
      discussion: "For some time deliveries are signed with both secrets, so that the receiver can change over.")

    @OptionGroup var endpoint: EndpointOptions

    @Option(help: ArgumentHelp("For how long the old secret signs too; 24h without it.", valueName: "time"))
    var overlap: DurationArgument?

    func run() async throws {
      let overlap = overlap?.duration ?? Endpoints.defaultOverlap
      try await endpoint.print {
        try await $0.endpoints.rotateSecret(tenant: $1, $2, overlap: overlap, by: OperatorName.current)
      }
      Progress.say(EndpointCommand.secretIsShownOnce)
    }
  }

  /// Sends a test delivery.
  struct Ping: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Let the service send a test delivery; `registry delivery show` tells what came of it.")

    @OptionGroup var endpoint: EndpointOptions

    func run() async throws {
      try await endpoint.print { try await $0.endpoints.ping(tenant: $1, $2) }
    }
  }

  /// Enables an endpoint.
  struct Enable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Enable an endpoint; what waited and what changed meanwhile is due at once, in order.")

    @OptionGroup var endpoint: EndpointOptions

    func run() async throws {
      try await endpoint.print { try await $0.endpoints.enable(tenant: $1, $2, by: OperatorName.current) }
    }
  }

  /// Disables an endpoint.
  struct Disable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Disable an endpoint; changes of the meantime wait for it, for 30 days.")

    @OptionGroup var endpoint: EndpointOptions

    func run() async throws {
      try await endpoint.print { try await $0.endpoints.disable(tenant: $1, $2, by: OperatorName.current) }
    }
  }

  /// Removes an endpoint.
  struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Remove an endpoint with its secret and everything that waits for it.")

    @OptionGroup var endpoint: EndpointOptions

    @Flag(help: "Do not ask.")
    var yes = false

    func run() async throws {
      try Confirmation.require("Remove this endpoint? What waits for it is lost with it.", yes: yes)
      try await endpoint.scope.with {
        try await $0.endpoints.remove(tenant: $1, endpoint.endpointID, by: OperatorName.current)
      }
      Progress.say("The endpoint is removed.")
    }
  }
}
