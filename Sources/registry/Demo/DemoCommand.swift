import ArgumentParser
import Foundation

/// Shows the whole registry at work, and whether it finds what there is to be found.
struct DemoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract:
      "Show the registry at work: app users connect through a stand-in for Terra, and reconcile names what went wrong.",
    discussion: """
      Starts a private PostgreSQL cluster, the service and the sandbox on loopback; lets app users of three tenants \
      connect over HTTP with faults drawn from the seed; reconciles; and holds what is found against what an oracle of \
      its own (scripts/oracle.py) works out from the ledger of what happened. It takes some two minutes, touches no \
      other database, and leaves nothing running or lying about unless --keep. The exit code is 0 when expected and \
      found agree, 1 when they differ, 2 when the demo could not be shown.
      """)

  @Option(help: ArgumentHelp("Population and faults are drawn from it.", valueName: "n"))
  var seed: UInt64 = 1

  @Option(help: ArgumentHelp("How many app users connect.", valueName: "n"))
  var appUsers = 2_000

  @Option(name: .customLong("json"), help: ArgumentHelp("Write the checks to this file as JSON.", valueName: "file"))
  var jsonFile: String?

  @Flag(help: "Leave the service and the cluster running, and say how to reach and end them.")
  var keep = false

  @Flag(help: "Kill the service (kill -9) in the middle of the traffic, and start it again.")
  var killService = false

  @Option(help: ArgumentHelp("The oracle; without it scripts/oracle.py above the executable.", valueName: "file"))
  var oracle: String?

  @Option(
    name: .customLong("state-dir"),
    help: ArgumentHelp("Where the demo makes its own directory; without it /tmp.", valueName: "directory"))
  var stateDirectory: String?

  func validate() throws {
    guard (1...50_000).contains(self.appUsers) else {
      throw ValidationError("--app-users takes a number from 1 to 50000.")
    }
    // Two minutes later would be a bad moment to find out.
    if let directory = self.jsonFile.map({ URL(fileURLWithPath: $0).deletingLastPathComponent().path }),
      !FileManager.default.isWritableFile(atPath: directory)
    {
      throw ValidationError("--json: cannot write to \(directory).")
    }
  }

  func run() async throws {
    let demo = try DemoRun(
      DemoOptions(
        seed: self.seed, appUsers: self.appUsers, jsonFile: self.jsonFile, keep: self.keep, oracle: self.oracle,
        killService: self.killService, stateDirectory: self.stateDirectory))
    let outcome: DemoOutcome
    do {
      outcome = try await Interruption.cancelling { try await demo.perform() }
    } catch is CancellationError {
      throw DemoError("The demo was interrupted; nothing of it is left.")
    }
    let output = StandardOutput()
    for line in DemoReport(outcome).lines { try output.line(line) }
    if let jsonFile = self.jsonFile {
      try DemoChecks(outcome).data().write(to: URL(fileURLWithPath: jsonFile))
    }
    for line in self.nextSteps(outcome, demo.directory) { try output.line(line) }
    if !outcome.holds { throw ExitCode(1) }
  }

  private func nextSteps(_ outcome: DemoOutcome, _ directory: DemoDirectory) -> [String] {
    guard outcome.holds else {
      return [
        "", "Ledger, lists and the service's log are in \(directory.path). To compare again:",
        "  python3 scripts/oracle.py --ledger \(directory.ledger) --parameters \(directory.parameters) "
          + "--found \(directory.found)",
      ]
    }
    guard !self.keep else {
      let registry = DemoCommandLine.ownExecutable
      return [
        "", "What to try next, with the settings above:",
        "  \(registry) finding list --tenant \(DemoTenant.all[0].slug) --severity critical",
        "  \(registry) finding show --tenant \(DemoTenant.all[0].slug) FINDING",
        "  \(registry) connection list --tenant \(DemoTenant.all[1].slug)",
      ]
    }
    return [
      "", "What to try next:",
      "  scripts/demo --seed \(self.seed &+ 1)       other people, other faults",
      "  scripts/demo --kill-service  kill -9 of the service in the middle of it",
      "  scripts/demo --keep          leave it running, and look around with `registry finding list`",
      "  registry serve               the service, on a private cluster of its own",
    ]
  }
}
