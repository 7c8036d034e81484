import ArgumentParser
import ConnectionRegistry
import Foundation
import RegistryModel

extension ReconcileCommand {
  /// Runs reconciliations.
  struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Reconcile one tenant, or all of them.",
      discussion: """
        A run examines what was recorded since the last one. All tenants are run oldest first and slice by slice, so that \
        a large one does not hold up the others; tenants that are paused, and those that another process is at work \
        on, are left out. With --scheduled each tenant's settings say whether Terra's listing is read and what is made good \
        (`tenant update --provider-every --repair`), as in `registry serve`; else what is said here.

        A dry run compares as the run would, with --provider Terra's listing too, and prints which findings would open and \
        be resolved, and with --repair safe what Terra's answers would prove; nothing is written. The exit code is 0 when \
        every run was complete, 2 when one was not, and with --fail-on 1 when an open finding is at least so severe; one \
        that somebody has acknowledged does not count.
        """)

    @Option(help: ArgumentHelp("The tenant's slug.", valueName: "slug"))
    var tenant: String?

    @Flag(help: "Every tenant; so it is without --tenant.")
    var all = false

    @Flag(help: "Read listings and make repairs by each tenant's settings; for all tenants.")
    var scheduled = false

    @Flag(help: "Examine everything that was ever recorded, not what came since the last run; takes --tenant.")
    var full = false

    @Flag(help: "Read and compare Terra's listing of connections as well.")
    var provider = false

    @Flag(help: "Copy and compare the table terra_users of Terra's SQL destination as well; takes --tenant.")
    var terraUsers = false

    @Option(
      help: ArgumentHelp(
        "A file with that database's connection string (- is standard input); else REGISTRY_TERRA_USERS_URL.",
        valueName: "file"))
    var terraUsersURLFile: String?

    @Option(help: ArgumentHelp("Make good what Terra's answers prove: none or safe.", valueName: "mode"))
    var repair: RepairMode?

    @Flag(help: "Print what the run would do, and write nothing; takes --tenant.")
    var dryRun = false

    @Option(help: ArgumentHelp("End with 1 when an open finding is at least so severe.", valueName: "severity"))
    var failOn: FindingSeverity?

    @OptionGroup var scope: RegistryScope

    func validate() throws {
      if tenant != nil, all { throw ValidationError("Give --tenant or --all, not both.") }
      if full, tenant == nil {
        throw ValidationError("--full takes --tenant: it costs what the tenant's history holds.")
      }
      if terraUsers, tenant == nil || dryRun {
        throw ValidationError("--terra-users takes --tenant, and keeps a copy: leave --dry-run out.")
      }
      if terraUsersURLFile != nil, !terraUsers { throw ValidationError("--terra-users-url-file takes --terra-users.") }
      if scheduled, tenant != nil { throw ValidationError("--scheduled is for all tenants: leave --tenant out.") }
      if dryRun, tenant == nil { throw ValidationError("--dry-run takes --tenant.") }
      if dryRun, failOn != nil { throw ValidationError("--dry-run leaves no finding open: leave --fail-on out.") }
    }

    func run() async throws {
      if dryRun, let tenant { return try await rehearse(tenant) }
      let source =
        terraUsers
        ? try SecretSource(option: "--terra-users-url-file", variable: "REGISTRY_TERRA_USERS_URL")
          .read(file: terraUsersURLFile) : nil
      let exit = try await scope.with { registry in
        var runs: [ReconciliationRun] = []
        if let tenant {
          if let source {
            let copy = try await registry.reconciliations.copyTerraUsers(tenant: tenant, from: source)
            Progress.say("\(copy.rows) rows of terra_users were copied, \(copy.skipped) left out.")
          }
          runs = [
            try await registry.reconciliations.run(
              tenant: tenant, isFull: full, asksProvider: provider, repair: repair ?? RepairMode.none)
          ]
        } else {
          try await registry.reconciliations.runAll(
            isScheduled: scheduled, asksProvider: provider, repair: repair
          ) {
            runs.append($0)
          }
        }
        var printer = scope.listPrinter(
          columns: ReconcileCommand.columns,
          empty: "Nothing to run: no tenant, or all are paused or at work elsewhere (`registry reconcile schedule`).")
        try OutputError.whileRead { try printer.print(runs) }
        if scope.output.format == .table { Self.remark(runs) }
        guard runs.allSatisfy({ $0.outcome == .complete }) else { return CommandExit.notDone }
        return try await self.stands(in: runs.map(\.tenant), registry) ? .found : .done
      }
      if exit != .done { throw ExitCode(exit.rawValue) }
    }

    /// What the table has no room for.
    private static func remark(_ runs: [ReconciliationRun]) {
      for run in runs {
        for remark in run.remarks { Progress.say("\(run.tenant): \(remark)") }
        if let error = run.error { Progress.say("\(run.tenant): \(error)") }
      }
    }

    private func rehearse(_ tenant: String) async throws {
      let rehearsal = try await scope.with {
        try await $0.reconciliations.rehearse(
          tenant: tenant, isFull: full, asksProvider: provider, repair: repair ?? RepairMode.none,
          includingOperators: true)
      }
      var printer = scope.listPrinter(
        columns: RehearsedAct.columns, empty: "A run would find nothing new, resolve nothing and repair nothing.")
      try OutputError.whileRead { try printer.print(RehearsedAct.all(of: rehearsal)) }
      if scope.output.format == .table {
        for remark in rehearsal.remarks { Progress.say("\(tenant): \(remark)") }
      }
      if rehearsal.isPartial { throw ExitCode(CommandExit.notDone.rawValue) }
    }

    private func stands(in slugs: [String], _ registry: ConnectionRegistry) async throws -> Bool {
      guard let failOn else { return false }
      for slug in slugs {
        if try await registry.findings.isAnyOpen(tenant: slug, atLeast: failOn, includingOperators: true) {
          return true
        }
      }
      return false
    }
  }
}
