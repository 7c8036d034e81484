import ArgumentParser
import ConnectionRegistry
import Foundation

extension FindingCommand {
  /// Takes a repair back.
  struct Undo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take the effect of a finding's repair back.",
      discussion: """
        Terra is asked first. What the repair ended lives again if Terra has it authenticated and active; what it confirmed \
        ends if Terra does not know it. A later correction says so; nothing is deleted, and the audit keeps who and why. \
        It is refused where something newer was recorded. The finding is then open, and the next run judges it.
        """)

    @Argument(help: "The finding's id.", transform: UUIDArgument.parse)
    var findingID: UUID

    @Option(help: ArgumentHelp("Who undoes it; without it the account that runs the command.", valueName: "name"))
    var by: String?

    @Option(help: ArgumentHelp("Why.", valueName: "text"))
    var reason: String

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.print {
        try await $0.reconciliations.undoRepair(
          tenant: $1, finding: findingID, by: by ?? NSUserName(), reason: reason)
      }
    }
  }
}
