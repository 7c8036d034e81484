public import ArgumentParser
public import ConnectionRegistry
import Foundation

/// Deliveries: what was and is to be told to endpoints.
struct DeliveryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delivery", abstract: "Deliveries: what endpoints were told, and what waits.",
    subcommands: [List.self, Show.self, Retry.self, Replay.self])
}

extension Delivery.State: ExpressibleByArgument {}

extension DeliveryCommand {
  /// Lists deliveries.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List deliveries, oldest first.")

    @Option(
      name: .customLong("endpoint"), help: ArgumentHelp("Only to this endpoint.", valueName: "id"),
      transform: UUIDArgument.parse)
    var endpointID: UUID?

    @Option(help: ArgumentHelp("Only in this state.", valueName: "state"))
    var state: Delivery.State?

    @Option(name: .customLong("user-id"), help: ArgumentHelp("Only about this connection.", valueName: "id"))
    var userID: String?

    @OptionGroup var span: SpanOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var scope: TenantScope

    static let columns = [
      Column("delivery_id", header: "delivery"), Column("type"), Column("user_id", header: "user id"),
      Column("finding_id", header: "finding"),
      Column("sequence", .count), Column("state", .status), Column("attempts", .count),
      Column("last_status", header: "answer"), Column("last_error", header: "error"),
      Column("created_at", header: "created", .time), Column("next_attempt_at", header: "next attempt", .time),
    ]

    func run() async throws {
      let filter = DeliveryFilter(endpointID: endpointID, state: state, userID: userID, created: span.range)
      try await scope.list(page, columns: Self.columns, empty: "No deliveries.") {
        try await $0.deliveries.list(tenant: $1, filter: filter, page: $2)
      }
    }
  }

  /// Shows one delivery.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one delivery with its body.")

    @Argument(help: "The delivery's id: its webhook-id.", transform: UUIDArgument.parse)
    var deliveryID: UUID

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.print {
        try await $0.deliveries.show(tenant: $1, deliveryID)
      }
    }
  }

  /// Sends a delivery again.
  struct Retry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make one delivery due at once, whatever became of it so far.")

    @Argument(help: "The delivery's id: its webhook-id.", transform: UUIDArgument.parse)
    var deliveryID: UUID

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.print {
        try await $0.deliveries.retry(tenant: $1, deliveryID)
      }
    }
  }

  /// Sends a range of changes.
  struct Replay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Send a range of changes to an endpoint, in order.",
      discussion: """
        Those it had before go out again under the same id, those from before it was added for the first time. Without a \
        range it gets every change there is.
        """)

    @OptionGroup var endpoint: EndpointOptions

    @Option(help: ArgumentHelp("Changes recorded at this time or later (RFC 3339).", valueName: "time"))
    var since: TimeArgument?

    @Option(help: ArgumentHelp("Changes recorded before this time (RFC 3339).", valueName: "time"))
    var until: TimeArgument?

    @Option(name: .customLong("user-id"), help: ArgumentHelp("Changes of this connection.", valueName: "id"))
    var userID: String?

    @Option(help: ArgumentHelp("From this number on; needs --user-id.", valueName: "n"))
    var fromSequence: Int64?

    @Option(help: ArgumentHelp("Up to this number; needs --user-id.", valueName: "n"))
    var toSequence: Int64?

    func run() async throws {
      let range = DeliveryReplay(
        since: since?.date, until: until?.date, userID: userID, fromSequence: fromSequence, toSequence: toSequence)
      try await endpoint.print { try await $0.deliveries.replay(tenant: $1, endpoint: $2, range) }
    }
  }
}
