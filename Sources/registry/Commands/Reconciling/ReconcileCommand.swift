import ArgumentParser
import ConnectionRegistry
import Foundation
import RegistryModel

/// Reconciliation: comparing what the channels say.
struct ReconcileCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reconcile", abstract: "Compare events, callbacks and sessions, and say where they disagree.",
    subcommands: [Run.self, List.self, Show.self])

  static let columns = [
    Column("run_id", header: "run"), Column("tenant"), Column("outcome", .status), Column("examined", .count),
    Column("found_new", header: "new", .count), Column("persisting", .count), Column("resolved", .count),
    Column("started_at", header: "started", .time), Column("finished_at", header: "finished", .time),
  ]
}

extension ReconcileCommand {
  /// Runs reconciliations.
  struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Reconcile one tenant, or all of them.",
      discussion: """
        The exit code is 0 when every run was complete, 2 when one was not, and with --fail-on 1 when a finding that \
        stands afterwards is at least so severe.
        """)

    @Option(help: ArgumentHelp("The tenant's slug; without it every tenant, one after the other.", valueName: "slug"))
    var tenant: String?

    @Option(help: ArgumentHelp("End with 1 when a finding stands that is at least so severe.", valueName: "severity"))
    var failOn: FindingSeverity?

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let exit = try await RegistryAccess.withRegistry(database) { registry in
        let slugs = try await self.slugs(of: registry)
        var runs: [ReconciliationRun] = []
        for slug in slugs { runs.append(try await registry.reconciliations.run(tenant: slug)) }
        var printer = ListPrinter(
          StandardOutput(), output.format, columns: ReconcileCommand.columns,
          empty: "No tenants yet: `registry tenant create` makes one.")
        try printer.print(runs)
        guard runs.allSatisfy({ $0.outcome == .complete }) else { return CommandExit.notDone }
        return try await self.stands(in: slugs, registry) ? .found : .done
      }
      if exit != .done { throw ExitCode(exit.rawValue) }
    }

    private func slugs(of registry: ConnectionRegistry) async throws -> [String] {
      if let tenant { return [tenant] }
      var slugs: [String] = []
      while true {
        let tenants = try await registry.tenants.list(after: slugs.last, limit: 200)
        slugs += tenants.filter { $0.disabledAt == nil }.map(\.slug)
        guard tenants.count == 200 else { return slugs }
      }
    }

    private func stands(in slugs: [String], _ registry: ConnectionRegistry) async throws -> Bool {
      guard let failOn else { return false }
      for slug in slugs {
        let found = try await registry.findings.list(
          tenant: slug, filter: FindingFilter(severity: failOn), page: Page(limit: 1), includingOperators: true)
        if !found.items.isEmpty { return true }
      }
      return false
    }
  }

  /// Lists runs.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List a tenant's runs.")

    @OptionGroup var tenant: TenantOption
    @OptionGroup var page: PageOptions
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      try await RegistryAccess.withRegistry(database) { registry in
        var printer = ListPrinter(
          StandardOutput(), output.format, columns: ReconcileCommand.columns,
          empty: "No runs yet: `registry reconcile run` makes one.")
        try await printer.print(page) { page in
          try await registry.reconciliations.list(tenant: tenant.tenant, page: page)
        }
      }
    }
  }

  /// Shows one run.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one run.")

    @Argument(help: "The run's id.", transform: UUIDArgument.parse)
    var runID: UUID

    @OptionGroup var tenant: TenantOption
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let run = try await RegistryAccess.withRegistry(database) {
        try await $0.reconciliations.show(tenant: tenant.tenant, runID)
      }
      try DetailPrinter(StandardOutput(), output.format).print(run)
    }
  }
}
