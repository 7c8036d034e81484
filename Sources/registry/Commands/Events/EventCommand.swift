public import ArgumentParser
public import ConnectionRegistry
import Foundation

/// Auth events: Terra's signed webhooks.
struct EventCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "event", abstract: "Auth events: Terra's signed webhooks, and what did not become one.",
    subcommands: [
      List.self, Show.self, Accept.self, Replay.self, Ingest.self, Receipts.self, Receipt.self,
    ])
}

extension WebhookReceipt.Disposition: ExpressibleByArgument {}

extension EventCommand {
  /// Lists events.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List events in the order in which they were recorded.")

    @Option(name: .customLong("user-id"), help: ArgumentHelp("Only about this connection.", valueName: "id"))
    var userID: String?

    @Option(help: ArgumentHelp("Only of this kind, such as auth_success.", valueName: "kind"))
    var kind: String?

    @Option(
      name: .customLong("reference-id"), help: ArgumentHelp("Only those that name this app user.", valueName: "id"))
    var referenceID: String?

    @Option(help: ArgumentHelp("Only about this provider, such as FITBIT.", valueName: "name"))
    var resource: String?

    @OptionGroup var span: SpanOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var scope: TenantScope

    static let columns = [
      Column("event_id", header: "event"), Column("kind"), Column("user_id", header: "user id"),
      Column("reference_id", header: "reference id"), Column("resource"),
      Column("occurred_at", header: "occurred", .time), Column("recorded_at", header: "recorded", .time),
    ]

    func run() async throws {
      let filter = AuthEventFilter(referenceID: referenceID, resource: resource, recorded: span.range)
      try await scope.list(page, columns: Self.columns, empty: "No events.") {
        try await $0.events.list(tenant: $1, userID: userID, kind: kind, filter: filter, page: $2)
      }
    }
  }

  /// Shows one event.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one event with its body.")

    @Argument(help: "The event's id.", transform: UUIDArgument.parse)
    var eventID: UUID

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.print {
        try await $0.events.show(tenant: $1, eventID)
      }
    }
  }

  /// Lists receipts.
  struct Receipts: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List deliveries that did not become events: rejected, quarantined, unreadable, of unknown type.")

    @Option(help: ArgumentHelp("Only of this kind.", valueName: "kind"))
    var disposition: WebhookReceipt.Disposition?

    @Option(name: .customLong("user-id"), help: ArgumentHelp("Only about this connection.", valueName: "id"))
    var userID: String?

    @OptionGroup var span: SpanOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var scope: TenantScope

    static let columns = [
      Column("receipt_id", header: "receipt"), Column("disposition"), Column("reason_code", header: "reason"),
      Column("type"), Column("user_id", header: "user id"), Column("body_bytes", header: "bytes", .count),
      Column("signed_at", header: "signed", .time), Column("recorded_at", header: "recorded", .time),
    ]

    func run() async throws {
      let filter = WebhookReceiptFilter(disposition: disposition, userID: userID, recorded: span.range)
      try await scope.list(page, columns: Self.columns, empty: "No receipts.") {
        try await $0.receipts.list(tenant: $1, filter: filter, page: $2)
      }
    }
  }

  /// Shows one receipt.
  struct Receipt: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one receipt with what was kept of its body.")

    @Argument(help: "The receipt's id.", transform: UUIDArgument.parse)
    var receiptID: UUID

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.print {
        try await $0.receipts.show(tenant: $1, receiptID)
      }
    }
  }
}
