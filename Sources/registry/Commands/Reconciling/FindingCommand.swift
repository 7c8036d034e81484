public import ArgumentParser
import ConnectionRegistry
import Foundation
public import RegistryModel

/// Findings: where the channels disagree.
struct FindingCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "finding", abstract: "Findings: where events, callbacks and sessions disagree.",
    subcommands: [List.self, Show.self, Acknowledge.self])
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

    @OptionGroup var tenant: TenantOption

    @Option(help: ArgumentHelp("Only of this kind, such as callback_without_event.", valueName: "kind"))
    var kind: FindingKind?

    @Option(help: ArgumentHelp("Only of this severity and above: info, warning or critical.", valueName: "severity"))
    var severity: FindingSeverity?

    @Option(
      name: .customLong("status"), help: ArgumentHelp("Only in this state; may be repeated.", valueName: "status"))
    var statuses: [FindingStatus] = []

    @Option(help: ArgumentHelp("End with 1 when a finding is at least so severe.", valueName: "severity"))
    var failOn: FindingSeverity?

    @OptionGroup var page: PageOptions
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    static let columns = [
      Column("id", header: "finding"), Column("severity", .severity), Column("kind"),
      Column("subject.type", header: "subject"), Column("subject.id", header: "subject id"), Column("status"),
      Column("age_seconds", header: "age", .seconds), Column("first_seen_at", header: "first seen", .time),
      Column("documentation", header: "see"),
    ]

    func run() async throws {
      let filter = FindingFilter(kind: kind, severity: severity, statuses: statuses.isEmpty ? nil : Set(statuses))
      let worst = try await RegistryAccess.withRegistry(database) { registry in
        var printer = ListPrinter(StandardOutput(), output.format, columns: Self.columns, empty: "No findings.")
        var worst: FindingSeverity?
        try await printer.print(page) { page in
          try await registry.findings.list(
            tenant: tenant.tenant, filter: filter, page: page, includingOperators: true)
        } visit: { item in
          guard case .string(let name) = item[path: "severity"], let severity = FindingSeverity(rawValue: name) else {
            return
          }
          worst = max(worst ?? severity, severity)
        }
        return worst
      }
      if let failOn, let worst, worst >= failOn { throw ExitCode(CommandExit.found.rawValue) }
    }
  }

  /// Shows one finding.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one finding with all its evidence.")

    @Argument(help: "The finding's id.", transform: UUIDArgument.parse)
    var findingID: UUID

    @OptionGroup var tenant: TenantOption
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let detail = try await RegistryAccess.withRegistry(database) {
        try await $0.findings.show(tenant: tenant.tenant, findingID, includingOperators: true)
      }
      try DetailPrinter(StandardOutput(), output.format).print(detail)
    }
  }
}
