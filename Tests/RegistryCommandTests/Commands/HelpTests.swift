import Foundation
import Testing

/// The help is a surface: scripts and hands rely on names, so a change of them must be meant.
@Suite struct HelpTests {
  @Test func namesEveryCommand() async throws {
    let help = try await CommandLineTool.run(["--help"], database: nil)
    #expect(help.code == 0)
    let expected = [
      "serve", "sandbox", "migrate", "tenant", "key", "embedder", "session", "app-user", "connection", "event",
      "callback", "change", "reconcile", "finding", "endpoint", "delivery",
    ]
    for command in expected {
      #expect(help.output.contains("\n  \(command) "), "\(command) is missing in:\n\(help.output)")
    }
    #expect(help.output.contains("Exit codes: 0 done, 1 found something (only with --fail-on), 2 not done or only"))
  }

  @Test(arguments: [
    ("migrate", ["plan", "apply", "status", "validate"]),
    ("tenant", ["create", "list", "show", "update", "rotate-secret", "disable", "enable", "steps"]),
    ("key", ["create", "list", "show", "rotate", "revoke"]), ("embedder", ["add", "list", "remove"]),
    ("session", ["create", "list", "show"]),
    ("app-user", ["list", "show", "tag", "merge", "export", "erase"]),
    ("connection", ["list", "show", "tag", "deauthenticate", "import", "export"]),
    ("event", ["list", "show", "accept", "replay", "ingest", "receipts", "receipt"]),
    ("endpoint", ["add", "list", "show", "update", "rotate-secret", "ping", "enable", "disable", "remove"]),
    ("delivery", ["list", "show", "retry", "replay"]),
    ("callback", ["list", "show"]), ("change", ["list", "follow"]),
    ("reconcile", ["run", "list", "show", "schedule", "pause", "resume"]),
    ("finding", ["list", "show", "acknowledge", "repair", "undo"]),
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

        A run examines what was recorded since the last one. All tenants are run oldest
        first and slice by slice, so that a large one does not hold up the others;
        tenants that are paused, and those that another process is at work on, are left
        out. With --scheduled each tenant's settings say whether Terra's listing is
        read and what is made good (`tenant update --provider-every --repair`), as in
        `registry serve`; else what is said here.

        A dry run compares as the run would, with --provider Terra's listing too, and
        prints which findings would open and be resolved, and with --repair safe what
        Terra's answers would prove; nothing is written. The exit code is 0 when every
        run was complete, 2 when one was not, and with --fail-on 1 when an open finding
        is at least so severe; one that somebody has acknowledged does not count.

        USAGE: registry reconcile run [--tenant <slug>] [--all] [--scheduled] [--full] [--provider] [--terra-users] [--terra-users-url-file <file>] [--repair <mode>] [--dry-run] [--fail-on <severity>] [--database-url <url>] [--format <format>]

        OPTIONS:
          --tenant <slug>         The tenant's slug.
          --all                   Every tenant; so it is without --tenant.
          --scheduled             Read listings and make repairs by each tenant's
                                  settings; for all tenants.
          --full                  Examine everything that was ever recorded, not what
                                  came since the last run; takes --tenant.
          --provider              Read and compare Terra's listing of connections as
                                  well.
          --terra-users           Copy and compare the table terra_users of Terra's SQL
                                  destination as well; takes --tenant.
          --terra-users-url-file <file>
                                  A file with that database's connection string (- is
                                  standard input); else REGISTRY_TERRA_USERS_URL.
          --repair <mode>         Make good what Terra's answers prove: none or safe.
                                  (values: none, safe)
          --dry-run               Print what the run would do, and write nothing; takes
                                  --tenant.
          --fail-on <severity>    End with 1 when an open finding is at least so
                                  severe. (values: info, warning, critical)
        """), "\(help.output)")
  }
}
