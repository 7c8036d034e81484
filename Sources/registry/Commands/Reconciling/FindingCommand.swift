public import ArgumentParser
import ConnectionRegistry
import Foundation
public import RegistryModel

/// Findings: where the channels disagree.
struct FindingCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "finding", abstract: "Findings: where events, callbacks and sessions disagree.",
    subcommands: [List.self, Show.self, Acknowledge.self, Undo.self])
}

extension FindingKind: ExpressibleByArgument {}
extension FindingSeverity: ExpressibleByArgument {}
extension FindingStatus: ExpressibleByArgument {}

extension FindingCommand {
  /// Lists findings.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List findings; without --status those that stand.",
      discussion: "With --fail-on the exit code is 1 when one of the listed findings is at least so severe.")

    @Option(help: ArgumentHelp("Only of this kind, such as callback_without_event.", valueName: "kind"))
    var kind: FindingKind?

    @Option(help: ArgumentHelp("Only of this severity and above: info, warning or critical.", valueName: "severity"))
    var severity: FindingSeverity?

    @Option(
      name: .customLong("status"), help: ArgumentHelp("Only in this state; may be repeated.", valueName: "status"))
    var statuses: [FindingStatus] = []

    @Option(help: ArgumentHelp("End with 1 when a finding is at least so severe.", valueName: "severity"))
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
      var worst: FindingSeverity?
      let judge: (JSONValue) -> Void = { item in
        guard case .string(let name) = item[path: "severity"], let severity = FindingSeverity(rawValue: name) else {
          return
        }
        worst = max(worst ?? severity, severity)
      }
      try await scope.list(
        page, columns: Self.columns, empty: "No findings.",
        fetch: { try await $0.findings.list(tenant: $1, filter: filter, page: $2, includingOperators: true) },
        visit: failOn == nil ? nil : judge)
      if let failOn, let worst, worst >= failOn { throw ExitCode(CommandExit.found.rawValue) }
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
