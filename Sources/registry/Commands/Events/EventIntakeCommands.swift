import ArgumentParser
import ConnectionRegistry
import Foundation

extension EventCommand {
  /// Takes in events of a trusted channel.
  struct Ingest: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take in events that did not come as webhooks: one envelope a line.",
      discussion: """
        A line is {"emitted_at": "2026-01-01T00:00:00Z", "event": {…}}, where `event` is what Terra sends: from whatever \
        drains a queue or a bucket. There is no signature, so whoever can write to the channel is trusted; the events \
        show it as trusted:CHANNEL. All lines belong to --tenant, whatever they say. Lines may come in any order and \
        again. A line that cannot be read is told by its number and left out, and the exit code is then 2.
        """)

    @Argument(help: ArgumentHelp("The file; - or nothing reads standard input.", valueName: "file"))
    var file: String?

    @Option(help: ArgumentHelp("What the channel is called, such as sqs.", valueName: "name"))
    var channel: String

    @OptionGroup var tenant: TenantOption
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let lines = try InputLines(path: file, maximumBytes: Webhooks.maximumEnvelopeBytes + 1)
      let ingest = try await RegistryAccess.withRegistry(database) {
        try await $0.webhooks.ingest(tenant: tenant.tenant, channel: channel, lines: lines)
      }
      try DetailPrinter(StandardOutput(), output.format).print(ingest)
      guard ingest.refused == 0 else {
        throw CommandError("\(ingest.refused) of \(ingest.lines) lines could not be taken in; the others were.")
      }
    }
  }

  /// Accepts a quarantined event.
  struct Accept: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Accept an event that stands in quarantine, at the place of its signed time.")

    @Argument(help: "The receipt's id.", transform: UUIDArgument.parse)
    var receiptID: UUID

    @OptionGroup var tenant: TenantOption
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let outcome = try await RegistryAccess.withRegistry(database) {
        try await $0.webhooks.accept(tenant: tenant.tenant, receiptID)
      }
      try DetailPrinter(StandardOutput(), output.format).print(outcome)
    }
  }

  /// Reads authentic deliveries again.
  struct Replay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Read authentic deliveries again that could not be read, or were of an unknown type, when they came.")

    @Argument(help: "The receipts' ids.", transform: UUIDArgument.parse)
    var receiptIDs: [UUID]

    @OptionGroup var tenant: TenantOption
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let outcomes = try await RegistryAccess.withRegistry(database) { registry in
        var outcomes: [ReceiptOutcome] = []
        for id in receiptIDs { outcomes.append(try await registry.webhooks.replay(tenant: tenant.tenant, id)) }
        return outcomes
      }
      for outcome in outcomes { try DetailPrinter(StandardOutput(), output.format).print(outcome) }
    }
  }
}
