import EmbeddedPostgres
import Foundation
import TestDatabase
import Testing

/// What `reconcile run` and `reconcile show` take beside a tenant.
@Suite(.timeLimit(.minutes(20))) struct ReconcileCommandTests {
  private static func reconcile(
    _ deployment: Deployment, _ arguments: [String], environment: [String: String] = [:], input: String = ""
  ) async throws -> CommandLineTool.Outcome {
    try await CommandLineTool.run(
      ["reconcile"] + arguments + ["--format", "json"], database: deployment.database, environment: environment,
      input: input)
  }

  private static func items(_ outcome: CommandLineTool.Outcome) throws -> [[String: Any]] {
    #expect(outcome.code == 0, "\(outcome.errors)")
    return try #require(try outcome.json()["items"] as? [[String: Any]])
  }

  private static func runID(_ deployment: Deployment) async throws -> String {
    let run = try #require(try Self.items(try await Self.reconcile(deployment, ["run", "--tenant", "acme"])).first)
    return try #require(run["run_id"] as? String)
  }

  @Test func aDryRunPrintsWhatARunWouldDoAndWritesNothing() async throws {
    let deployment = try await Deployment.make()
    try await deployment.serve { try await $0.forgeCallback() }
    let acts = try Self.items(try await Self.reconcile(deployment, ["run", "--tenant", "acme", "--dry-run"]))
    #expect(acts.count == 1 && acts[0]["act"] as? String == "opened")
    #expect(acts[0]["kind"] as? String == "unknown_attempt" && acts[0]["severity"] as? String == "critical")
    #expect(try await deployment.count("registry.finding") == 0)
    #expect(try await deployment.count("registry.reconciliation_run") == 0)
    // The run does it, and leaves nothing to be done.
    _ = try await Self.runID(deployment)
    let found = try await deployment.items(["finding", "list"])
    #expect(found.map { $0["id"] as? String } == acts.map { $0["finding_id"] as? String })
    let nothing = try await CommandLineTool.run(
      ["reconcile", "run", "--tenant", "acme", "--dry-run"], database: deployment.database)
    #expect(nothing.code == 0 && nothing.output.hasPrefix("A run would find nothing new"), "\(nothing.output)")
    for (arguments, code) in [
      (["--dry-run"], 64), (["--dry-run", "--tenant", "acme", "--fail-on", "info"], 64),
      (["--dry-run", "--tenant", "nobody"], 2), (["--dry-run", "--tenant", "acme", "--repair", "all"], 64),
    ] as [([String], Int32)] {
      let refused = try await Self.reconcile(deployment, ["run"] + arguments)
      #expect(refused.code == code && refused.output.isEmpty, "\(arguments): \(refused.errors)")
    }
  }

  @Test func aReportCountsSessionsSinceATimeAndComparesWithAnEarlierRun() async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      let key = try await deployment.key()
      try await deployment.serve { service in _ = try await service.open(sandbox, key: key) }
      let first = try await Self.runID(deployment)
      let second = try await Self.runID(deployment)
      func funnel(_ arguments: String...) async throws -> Int {
        let shown = try await Self.reconcile(deployment, ["show", "--tenant", "acme"] + arguments)
        #expect(shown.code == 0, "\(shown.errors)")
        return try #require(try shown.json()["funnel"] as? [Any]).count
      }
      #expect(try await funnel() == 1)
      #expect(try await funnel("--since", "2020-01-01T00:00:00Z") == 1)
      #expect(try await funnel("--since", "2999-01-01T00:00:00Z") == 0)
      let compared = try await Self.reconcile(deployment, ["show", second, "--compare", first, "--tenant", "acme"])
      #expect((try compared.json()["compared_with"] as? [String: Any])?["run_id"] as? String == first)
      for (arguments, code) in [
        (["--since", "yesterday"], 64), (["--compare", "the-last-one"], 64),
        (["--compare", "01939f6e-7a1c-7c3e-9d2f-5b8a4e6f0c11"], 2), ([first, "--compare", second], 64),
      ] as [([String], Int32)] {
        let refused = try await Self.reconcile(deployment, ["show", "--tenant", "acme"] + arguments)
        #expect(refused.code == code && refused.output.isEmpty, "\(arguments): \(refused.code) \(refused.errors)")
      }
    }
  }

  @Test func terrasOwnTableIsCopiedAndCompared() async throws {
    let deployment = try await Deployment.make()
    let theirs = try await TestDatabase.shared.emptyDatabase()
    let table = """
      CREATE TABLE terra_users (user_id text PRIMARY KEY, reference_id text, created_at timestamptz,
        granted_scopes text, provider text, state text);
      INSERT INTO terra_users (user_id, reference_id, provider, state)
      VALUES ('new', 'person-1', 'GARMIN', 'active'), ('', 'person-2', 'GARMIN', 'active')
      """
    try await TestDatabase.shared.embeddedCluster().runClient("psql", ["-X", "-q", "-d", theirs, "-c", table])
    let run = ["run", "--tenant", "acme", "--terra-users"]
    let copied = try await Self.reconcile(deployment, run, environment: ["REGISTRY_TERRA_USERS_URL": theirs])
    #expect(copied.code == 0 && copied.errors.contains("1 rows of terra_users were copied, 1 left out."))
    // What is younger than the grace may still come by itself.
    try await deployment.letPass(seconds: 60)
    let again = try await Self.reconcile(deployment, run + ["--terra-users-url-file", "-"], input: theirs + "\n")
    #expect(again.code == 0, "\(again.errors)")
    let found = try await deployment.items(["finding", "list", "--kind", "missing_locally"])
    #expect(found.count == 1 && (found.first?["subject"] as? [String: Any])?["id"] as? String == "new")
    let away = "postgres://nobody:hidden@127.0.0.1:9/none?connect_timeout=2"
    for (arguments, url, code) in [
      (run, "", 64), (["run", "--terra-users"], theirs, 64), (run + ["--dry-run"], theirs, 64),
      (run + ["--terra-users-url-file", "/nowhere"], theirs, 64), (run, away, 69),
    ] as [([String], String, Int32)] {
      let refused = try await Self.reconcile(deployment, arguments, environment: ["REGISTRY_TERRA_USERS_URL": url])
      #expect(refused.code == code, "\(arguments): \(refused.code) \(refused.errors)")
      #expect(!refused.errors.contains("hidden"), "the password stands in the message")
    }
  }
}
