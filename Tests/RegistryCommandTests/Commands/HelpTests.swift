import Foundation
import Testing

/// The help is a surface: scripts and hands rely on names, so a change of them must be meant.
@Suite struct HelpTests {
  @Test func namesEveryCommand() async throws {
    let help = try await CommandLineTool.run(["--help"], database: nil)
    #expect(help.code == 0)
    let expected = [
      "serve", "sandbox", "migrate", "tenant", "key", "session", "app-user", "connection", "event", "callback",
      "reconcile", "finding",
    ]
    for command in expected {
      #expect(help.output.contains("\n  \(command) "), "\(command) is missing in:\n\(help.output)")
    }
    #expect(help.output.contains("Exit codes: 0 done, 1 found something (only with --fail-on), 2 not done or only"))
  }

  @Test(arguments: [
    ("migrate", ["plan", "apply", "status", "validate"]), ("tenant", ["create", "list", "show", "update", "steps"]),
    ("key", ["create", "list"]), ("session", ["create", "list", "show"]), ("app-user", ["show"]),
    ("connection", ["list", "show", "deauthenticate", "import"]),
    ("event", ["list", "show", "accept", "replay", "ingest", "receipts", "receipt"]),
    ("callback", ["list", "show"]), ("reconcile", ["run", "list", "show"]),
    ("finding", ["list", "show", "acknowledge"]),
  ])
  func namesTheVerbs(noun: String, verbs: [String]) async throws {
    let help = try await CommandLineTool.run([noun, "--help"], database: nil)
    let listed = help.output.split(separator: "SUBCOMMANDS:").last.map(String.init) ?? ""
    let names = listed.split(separator: "\n").filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }
      .compactMap { $0.split(separator: " ").first.map(String.init) }
      .filter { $0 != "See" }
    #expect(names == verbs)
  }

  /// The whole text, once: where it changes, so does this.
  @Test func reconcileRunInFull() async throws {
    let help = try await CommandLineTool.run(["reconcile", "run", "--help"], database: nil)
    #expect(
      help.output.hasPrefix(
        """
        OVERVIEW: Reconcile one tenant, or all of them.

        The exit code is 0 when every run was complete, 2 when one was not, and with
        --fail-on 1 when a finding that stands afterwards is at least so severe.

        USAGE: registry reconcile run [--tenant <slug>] [--fail-on <severity>] [--database-url <url>] [--format <format>]

        OPTIONS:
          --tenant <slug>         The tenant's slug; without it every tenant, one after
                                  the other.
          --fail-on <severity>    End with 1 when a finding stands that is at least so
                                  severe. (values: info, warning, critical)
        """), "\(help.output)")
  }
}
