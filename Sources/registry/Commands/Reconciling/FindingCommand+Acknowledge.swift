import ArgumentParser
import ConnectionRegistry
import Foundation

extension FindingCommand {
  /// Says that somebody has taken a finding on.
  struct Acknowledge: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Say who has taken a finding on, why, and until when.",
      discussion: """
        An acknowledged finding stands, but --fail-on does not count it. When --for is over it is open again. Said again \
        with other words, the new ones take the old ones' place; each is kept.
        """)

    @Argument(help: "The finding's id.", transform: UUIDArgument.parse)
    var findingID: UUID

    @Option(help: ArgumentHelp("Who takes it on; without it the account that runs the command.", valueName: "name"))
    var by: String?

    @Option(help: ArgumentHelp("Why it may stand.", valueName: "text"))
    var reason: String

    @Option(
      name: .customLong("for"), help: ArgumentHelp("For how long, such as 48h or 7d; else for ever.", valueName: "time")
    )
    var period: DurationArgument?

    @OptionGroup var scope: TenantScope

    func run() async throws {
      let until = period.map { Date().addingTimeInterval($0.duration.inSeconds) }
      try await scope.print {
        try await $0.findings.acknowledge(
          tenant: $1, id: findingID, by: by ?? NSUserName(), reason: reason, until: until,
          includingOperators: true)
      }
    }
  }
}
