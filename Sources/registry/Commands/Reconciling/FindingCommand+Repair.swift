import ArgumentParser
import ConnectionRegistry
import Foundation

extension FindingCommand {
  /// Repairs one finding.
  struct Repair: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Repair one finding now, where Terra's answer proves what is right.",
      discussion: """
        It is done as `reconcile run --repair safe` would do it: the facts about its subject are compared once more, with \
        the last listing that was read, Terra is asked about the one id, and a correction says what the answer proves. With \
        --dry-run Terra is asked, and what would be done is printed. Where nothing can be proved the finding is left, its \
        reason says why, and the exit code is 2. `finding undo` takes a repair back.
        """)

    @Argument(help: "The finding's id.", transform: UUIDArgument.parse)
    var findingID: UUID

    @Flag(help: "Print what would be done, and write nothing.")
    var dryRun = false

    @Option(help: ArgumentHelp("Who repairs it; without it the account that runs the command.", valueName: "name"))
    var by: String?

    @OptionGroup var scope: TenantScope

    func run() async throws {
      let repair = try await scope.print {
        try await $0.reconciliations.repair(
          tenant: $1, finding: findingID, by: by ?? NSUserName(), isDryRun: dryRun)
      }
      if repair.act == .left { throw ExitCode(CommandExit.notDone.rawValue) }
    }
  }
}
