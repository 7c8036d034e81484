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

    @OptionGroup var scope: TenantScope

    func run() async throws {
      let lines = try InputLines(path: file, maximumBytes: Webhooks.maximumEnvelopeBytes + 1)
      let ingest = try await scope.print {
        try await $0.webhooks.ingest(tenant: $1, channel: channel, by: OperatorName.current, lines: lines)
      }
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

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.print {
        try await $0.webhooks.accept(tenant: $1, receiptID, by: OperatorName.current)
      }
    }
  }

  /// Reads authentic deliveries again.
  struct Replay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Read authentic deliveries again that could not be read, or were of an unknown type, when they came.")

    @Argument(help: ArgumentHelp("The receipts' ids.", valueName: "receipt-id"), transform: UUIDArgument.parse)
    var receiptIDs: [UUID]

    @OptionGroup var scope: TenantScope

    func run() async throws {
      let outcomes = try await scope.with { registry, tenant in
        var outcomes: [ReceiptOutcome] = []
        for id in receiptIDs {
          outcomes.append(try await registry.webhooks.replay(tenant: tenant, id, by: OperatorName.current))
        }
        return outcomes
      }
      for outcome in outcomes { try scope.registry.detailPrinter.print(outcome) }
    }
  }
}
