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

    @OptionGroup var tenant: TenantOption

    @Option(name: .customLong("user-id"), help: ArgumentHelp("Only about this connection.", valueName: "id"))
    var userID: String?

    @Option(help: ArgumentHelp("Only of this kind, such as auth_success.", valueName: "kind"))
    var kind: String?

    @OptionGroup var page: PageOptions
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    static let columns = [
      Column("event_id", header: "event"), Column("kind"), Column("user_id", header: "user id"),
      Column("reference_id", header: "reference id"), Column("resource"),
      Column("occurred_at", header: "occurred", .time), Column("recorded_at", header: "recorded", .time),
    ]

    func run() async throws {
      try await RegistryAccess.withRegistry(database) { registry in
        var printer = ListPrinter(StandardOutput(), output.format, columns: Self.columns, empty: "No events.")
        try await printer.print(page) { page in
          try await registry.events.list(tenant: tenant.tenant, userID: userID, kind: kind, page: page)
        }
      }
    }
  }

  /// Shows one event.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one event with its body.")

    @Argument(help: "The event's id.", transform: UUIDArgument.parse)
    var eventID: UUID

    @OptionGroup var tenant: TenantOption
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let detail = try await RegistryAccess.withRegistry(database) {
        try await $0.events.show(tenant: tenant.tenant, eventID)
      }
      try DetailPrinter(StandardOutput(), output.format).print(detail)
    }
  }

  /// Lists receipts.
  struct Receipts: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List deliveries that did not become events: rejected, quarantined, unreadable, of unknown type.")

    @OptionGroup var tenant: TenantOption

    @Option(help: ArgumentHelp("Only of this kind.", valueName: "kind"))
    var disposition: WebhookReceipt.Disposition?

    @OptionGroup var page: PageOptions
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    static let columns = [
      Column("receipt_id", header: "receipt"), Column("disposition"), Column("reason_code", header: "reason"),
      Column("type"), Column("user_id", header: "user id"), Column("body_bytes", header: "bytes", .count),
      Column("signed_at", header: "signed", .time), Column("recorded_at", header: "recorded", .time),
    ]

    func run() async throws {
      try await RegistryAccess.withRegistry(database) { registry in
        var printer = ListPrinter(StandardOutput(), output.format, columns: Self.columns, empty: "No receipts.")
        try await printer.print(page) { page in
          try await registry.receipts.list(tenant: tenant.tenant, disposition: disposition, page: page)
        }
      }
    }
  }

  /// Shows one receipt.
  struct Receipt: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one receipt with what was kept of its body.")

    @Argument(help: "The receipt's id.", transform: UUIDArgument.parse)
    var receiptID: UUID

    @OptionGroup var tenant: TenantOption
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let detail = try await RegistryAccess.withRegistry(database) {
        try await $0.receipts.show(tenant: tenant.tenant, receiptID)
      }
      try DetailPrinter(StandardOutput(), output.format).print(detail)
    }
  }
}
