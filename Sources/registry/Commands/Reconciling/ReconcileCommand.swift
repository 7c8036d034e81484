public import ArgumentParser
public import ConnectionRegistry
import Foundation
import RegistryModel

/// Reconciliation: comparing what the channels say.
struct ReconcileCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reconcile", abstract: "Compare events, callbacks and sessions, and say where they disagree.",
    subcommands: [Run.self, List.self, Show.self, Schedule.self, Pause.self, Resume.self])

  static let columns = [
    Column("run_id", header: "run"), Column("tenant"), Column("outcome", .status), Column("examined", .count),
    Column("found_new", header: "new", .count), Column("persisting", .count), Column("resolved", .count),
    Column("repaired", .count), Column("provider"),
    Column("started_at", header: "started", .time), Column("finished_at", header: "finished", .time),
  ]
}

extension RepairMode: ExpressibleByArgument {}

extension ReconcileCommand {
  /// Lists runs.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List a tenant's runs.")

    @OptionGroup var span: SpanOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.list(
        page, columns: ReconcileCommand.columns, empty: "No runs yet: `registry reconcile run` makes one."
      ) {
        try await $0.reconciliations.list(tenant: $1, started: span.range, page: $2)
      }
    }
  }
}
