import Foundation
import TerraSandbox
import TestDatabase
import Testing

/// `--fail-on` counts the same wherever it is asked for: what is open, whoever it is for.
@Suite(.timeLimit(.minutes(20))) struct FailOnTests {
  /// All three that take it, and what they ended with.
  private static func codes(_ deployment: Deployment, _ severity: String = "critical") async throws -> [Int32] {
    var codes: [Int32] = []
    for arguments in [
      ["reconcile", "run", "--tenant", "acme"], ["reconcile", "show", "--tenant", "acme"],
      ["finding", "list", "--tenant", "acme"],
    ] {
      let told = try await CommandLineTool.run(arguments + ["--fail-on", severity], database: deployment.database)
      codes.append(told.code)
    }
    return codes
  }

  private static func acknowledge(_ deployment: Deployment, where isMeant: ([String: Any]) -> Bool) async throws {
    for finding in try await deployment.items(["finding", "list", "--severity", "critical"]) where isMeant(finding) {
      _ = try await CommandLineTool.json(
        ["finding", "acknowledge", try #require(finding["id"] as? String), "--tenant", "acme", "--reason", "known"],
        database: deployment.database)
    }
  }

  @Test func is1OnlyWhereAskedForAndAsSevere() async throws {
    let deployment = try await Deployment.make()
    #expect(try await Self.codes(deployment, "info") == [0, 0, 0])
    try await deployment.serve { try await $0.forgeCallback() }
    let run = try await CommandLineTool.run(["reconcile", "run"], database: deployment.database)
    #expect(run.code == 0, "\(run.errors)")
    #expect(try await Self.codes(deployment) == [1, 1, 1])
    #expect(try await Self.codes(deployment, "info") == [1, 1, 1])
    let list = try await CommandLineTool.run(["finding", "list", "--tenant", "acme"], database: deployment.database)
    #expect(list.code == 0 && list.output.contains("unknown_attempt"))
    let all = try await CommandLineTool.run(
      ["reconcile", "run", "--all", "--fail-on", "critical"], database: deployment.database)
    #expect(all.code == 1, "\(all.errors)")
    let other = try await CommandLineTool.run(
      ["finding", "list", "--tenant", "acme", "--kind", "stale_session", "--fail-on", "info"],
      database: deployment.database)
    #expect(other.code == 0)
  }

  @Test func whatIsAcknowledgedDoesNotCountAndWhatIsForOperatorsDoes() async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      try await deployment.addTenant("globex", terra: terra)
      let key = try await deployment.key()
      try await deployment.serve { service in
        let theirs = SignedWebhook(SignedWebhook.success(userID: "theirs"), secret: "globex-signing-secret")
        #expect(try await service.deliver(theirs, to: "globex").status == 200)
        let (token, _, _) = try await service.open(sandbox, key: key)
        let answer = try await service.send("GET", "/callbacks/terra/acme/\(token)/success?user_id=theirs")
        #expect(answer.status == 303)
      }
      #expect(try await Self.codes(deployment) == [1, 1, 1])
      let kinds = try await deployment.items(["finding", "list", "--severity", "critical"])
        .compactMap { $0["kind"] as? String }
      #expect(Set(kinds) == ["replayed_attempt", "cross_tenant_claim"])
      try await Self.acknowledge(deployment) { $0["kind"] as? String != "cross_tenant_claim" }
      #expect(try await Self.codes(deployment) == [1, 1, 1], "one for operators is open")
      try await Self.acknowledge(deployment) { $0["kind"] as? String == "cross_tenant_claim" }
      #expect(try await Self.codes(deployment) == [0, 0, 0])
      let stands = try await deployment.items(["finding", "list", "--severity", "critical"])
      #expect(stands.count == 2, "they stand all the same")
    }
  }

  /// A run that could not do everything is that, whatever it has found.
  @Test func aPartialRunIs2() async throws {
    try await TerraStandIn.with { _, terra in
      let deployment = try await Deployment.make()
      // Terra does not know its key.
      try await deployment.addTenant("initech", terra: terra)
      try await deployment.serve { try await $0.forgeCallback(of: "initech") }
      let run = ["reconcile", "run", "--tenant", "initech", "--fail-on", "critical"]
      let partial = try await CommandLineTool.run(run + ["--provider"], database: deployment.database)
      #expect(partial.code == 2 && partial.output.contains("partial"), "\(partial.output)\(partial.errors)")
      let complete = try await CommandLineTool.run(run, database: deployment.database)
      #expect(complete.code == 1, "\(complete.errors)")
    }
  }

  @Test func aListJudgesAllThatItsFilterAsksForNotThePageThatIsPrinted() async throws {
    let deployment = try await Deployment.make()
    try await deployment.execute(
      """
      INSERT INTO registry.finding (tenant_id, finding_id, kind, severity, reason_code, family, subject_type, subject,
        evidence, first_seen_at, opened_at, last_seen_at, opened_run, last_seen_run)
      SELECT t.tenant_id, gen_random_uuid(), CASE n WHEN 61 THEN 'replayed_attempt' ELSE 'stale_session' END,
        CASE n WHEN 61 THEN 'critical' ELSE 'info' END,
        CASE n WHEN 61 THEN 'id_not_of_the_session' ELSE 'nothing_came_back' END, 'session', 'session',
        gen_random_uuid()::text, '[]', s.at, s.at, s.at, gen_random_uuid(), gen_random_uuid()
      FROM registry.tenant t, generate_series(1, 61) AS n, LATERAL (SELECT now() - make_interval(hours => 100 - n)) AS s (at)
      """)
    for (arguments, code) in [
      ([], 1), (["--limit", "1"], 1), (["--all"], 1), (["--severity", "warning"], 1), (["--status", "open"], 1),
      (["--status", "vanished"], 0), (["--status", "acknowledged"], 0), (["--kind", "stale_session"], 0),
      (["--until", "2000-01-01T00:00:00Z"], 0),
    ] as [([String], Int32)] {
      let list = try await CommandLineTool.run(
        ["finding", "list", "--tenant", "acme", "--fail-on", "critical"] + arguments, database: deployment.database)
      #expect(list.code == code, "\(arguments): \(list.errors)")
    }
    let page = try await CommandLineTool.run(
      ["finding", "list", "--tenant", "acme", "--format", "ndjson"], database: deployment.database)
    #expect(page.output.split(separator: "\n").count == 50 && !page.output.contains("replayed_attempt"))
  }
}
