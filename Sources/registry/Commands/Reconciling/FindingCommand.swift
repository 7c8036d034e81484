public import ArgumentParser
import ConnectionRegistry
import Foundation
public import RegistryModel

/// Findings: where the channels disagree.
struct FindingCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "finding", abstract: "Findings: where events, callbacks and sessions disagree.",
    subcommands: [List.self, Show.self, Acknowledge.self, Repair.self, Undo.self])
}

extension FindingKind: ExpressibleByArgument {}
extension FindingSeverity: ExpressibleByArgument {}
extension FindingStatus: ExpressibleByArgument {}

extension FindingCommand {
  /// Lists findings.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List findings; without --status those that stand.",
      discussion: """
        With --fail-on the exit code is 1 when an open finding is at least so severe, of all that the other options ask \
        for, printed or not; one that somebody has acknowledged does not count.
        """)

    @Option(help: ArgumentHelp("Only of this kind, such as callback_without_event.", valueName: "kind"))
    var kind: FindingKind?

    @Option(help: ArgumentHelp("Only of this severity and above: info, warning or critical.", valueName: "severity"))
    var severity: FindingSeverity?

    @Option(
      name: .customLong("status"), help: ArgumentHelp("Only in this state; may be repeated.", valueName: "status"))
    var statuses: [FindingStatus] = []

    @Option(help: ArgumentHelp("End with 1 when an open finding is at least so severe.", valueName: "severity"))
    var failOn: FindingSeverity?

    @OptionGroup var span: SpanOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var scope: TenantScope

    static let columns = [
      Column("id", header: "finding"), Column("severity", .severity), Column("kind"),
      Column("subject.type", header: "subject"), Column("subject.id", header: "subject id"), Column("status"),
      Column("repair.act", header: "repair"),
      Column("age_seconds", header: "age", .seconds), Column("first_seen_at", header: "first seen", .time),
      Column("documentation", header: "see"),
    ]

    func run() async throws {
      let filter = FindingFilter(
        kind: kind, severity: severity, statuses: statuses.isEmpty ? nil : Set(statuses), firstSeen: span.range)
      let isFound = try await scope.with { registry, tenant in
        var printer = scope.registry.listPrinter(columns: Self.columns, empty: "No findings.")
        try await printer.print(page) {
          try await registry.findings.list(tenant: tenant, filter: filter, page: $0, includingOperators: true)
        }
        guard let failOn else { return false }
        return try await registry.findings.isAnyOpen(
          tenant: tenant, atLeast: failOn, filter: filter, includingOperators: true)
      }
      if isFound { throw ExitCode(CommandExit.found.rawValue) }
    }
  }

  /// Shows one finding.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one finding with all its evidence.")

    @Argument(help: "The finding's id.", transform: UUIDArgument.parse)
    var findingID: UUID

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.print {
        try await $0.findings.show(tenant: $1, findingID, includingOperators: true)
      }
    }
  }
}
