import ArgumentParser
import ConnectionRegistry
import Foundation
import RegistryModel

extension ReconcileCommand {
  /// Reports about one run.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Report about one run: what stands, how far sessions came, how long events took.",
      discussion: """
        Without a run the last complete one is shown. Findings and connections are counted as they are now. The exit \
        code is 0, or with --fail-on 1 when an open finding is at least so severe; one that somebody has acknowledged \
        does not count, one for operators only does, which the report leaves out and `finding list` shows.

        CSV has a line for each figure: section, item, key, value. A section is a part of the JSON (run, compared_with, \
        funnel, findings, left, latency, latency.buckets, comparison); what stands in none is in section report. The \
        item numbers what is a list, such as the resources of the funnel.
        """)

    @Argument(help: "The run's id.", transform: UUIDArgument.parse)
    var runID: UUID?

    @Option(help: ArgumentHelp("From when on sessions count (RFC 3339); seven days ago without it.", valueName: "time"))
    var since: TimeArgument?

    @Option(
      help: ArgumentHelp("An earlier run, whose findings are compared with this one's.", valueName: "run"),
      transform: UUIDArgument.parse)
    var compare: UUID?

    @Option(help: ArgumentHelp("Write the report as one HTML file that needs no network.", valueName: "file"))
    var html: String?

    @Option(help: ArgumentHelp("End with 1 when an open finding is at least so severe.", valueName: "severity"))
    var failOn: FindingSeverity?

    @OptionGroup var scope: TenantScope

    func run() async throws {
      let (report, isFound) = try await scope.with { registry, tenant in
        let report = try await registry.reconciliations.report(
          tenant: tenant, runID, since: since?.date, comparedWith: compare)
        guard let failOn else { return (report, false) }
        let isFound = try await registry.findings.isAnyOpen(
          tenant: tenant, atLeast: failOn, includingOperators: true)
        return (report, isFound)
      }
      if let html {
        do {
          try ReportPage(report).text.write(toFile: html, atomically: true, encoding: .utf8)
        } catch {
          throw ValidationError("--html: cannot write \(html).")
        }
        Progress.say("The report is in \(html).")
      } else {
        let isRead = try OutputError.whileRead {
          try scope.registry.detailPrinter.print(report, inSections: "report")
        }
        if !isRead, failOn == nil { throw OutputError.readerGone }
      }
      if isFound { throw ExitCode(CommandExit.found.rawValue) }
    }
  }
}
