public import ArgumentParser
public import ConnectionRegistry
import Foundation

/// Redirect callbacks: what browsers claimed.
struct CallbackCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "callback", abstract: "Redirect callbacks: what browsers claimed, and what came of the claims.",
    subcommands: [List.self, Show.self])
}

extension RedirectCallback.Outcome: ExpressibleByArgument {}

extension CallbackCommand {
  /// Lists callbacks.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List callbacks, oldest first.")

    @Option(
      name: .customLong("user-id"), help: ArgumentHelp("Only those that claim this connection.", valueName: "id"))
    var userID: String?

    @Option(
      name: .customLong("reference-id"), help: ArgumentHelp("Only those that claim this app user.", valueName: "id"))
    var referenceID: String?

    @Option(help: ArgumentHelp("Only those that claim this provider, such as FITBIT.", valueName: "name"))
    var resource: String?

    @Option(help: ArgumentHelp("Only those that came to this of the two URLs.", valueName: "outcome"))
    var outcome: RedirectCallback.Outcome?

    @OptionGroup var span: SpanOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var scope: TenantScope

    static let columns = [
      Column("callback_id", header: "callback"), Column("outcome"), Column("verdict", .status),
      Column("session_id", header: "session"), Column("user_id", header: "claimed user id"),
      Column("reference_id", header: "claimed reference id"), Column("resource", header: "claimed resource"),
      Column("recorded_at", header: "recorded", .time),
    ]

    func run() async throws {
      let filter = RedirectCallbackFilter(
        userID: userID, referenceID: referenceID, resource: resource, outcome: outcome, recorded: span.range)
      try await scope.list(page, columns: Self.columns, empty: "No callbacks.") {
        try await $0.callbacks.list(tenant: $1, filter: filter, page: $2)
      }
    }
  }

  /// Shows one callback.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one callback with its claim as it came.")

    @Argument(help: "The callback's id.", transform: UUIDArgument.parse)
    var callbackID: UUID

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.print {
        try await $0.callbacks.show(tenant: $1, callbackID)
      }
    }
  }
}
