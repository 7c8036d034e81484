import ArgumentParser
import ConnectionRegistry

extension ConnectionCommand {
  /// Takes over what is connected already.
  struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take over the connections that Terra lists.",
      discussion: """
        Whoever stands in Terra's listing is written as alive, with app user and resource. Nothing is ever ended: \
        absence from a listing proves nothing. It can be repeated, and goes on with --from-page where it stopped; it \
        then ends with exit code 2.
        """)

    @Flag(help: "From Terra's listing, which is the only source.")
    var fromTerra = false

    @Flag(help: "Only count.")
    var dryRun = false

    @Option(help: ArgumentHelp("Begin at this page, counted from 0.", valueName: "n"))
    var fromPage = 0

    @Option(help: ArgumentHelp("How many connections a page has, up to 500.", valueName: "n"))
    var perPage = 500

    @OptionGroup var scope: TenantScope

    func validate() throws {
      guard fromTerra else { throw ValidationError("Give --from-terra.") }
    }

    func run() async throws {
      let report = try await scope.print {
        try await $0.connections.importFromTerra(
          tenant: $1, fromPage: fromPage, perPage: perPage, isDryRun: dryRun
        ) { Progress.say("\($0.listed) connections on \($0.pages) pages.") }
      }
      if let page = report.nextPage {
        throw CommandError("The listing was not read to its end. Go on with --from-page \(page).")
      }
    }
  }
}
