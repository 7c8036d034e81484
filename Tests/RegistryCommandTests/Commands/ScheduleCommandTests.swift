import Foundation
import Testing

/// `reconcile schedule`, `pause` and `resume`.
@Suite(.timeLimit(.minutes(20))) struct ScheduleCommandTests {
  private static func places(_ deployment: Deployment) async throws -> [String: [String: Any]] {
    let list = try await CommandLineTool.json(["reconcile", "schedule"], database: deployment.database)
    let items = try #require(list["items"] as? [[String: Any]])
    return Dictionary(uniqueKeysWithValues: items.map { ($0["tenant"] as? String ?? "", $0) })
  }

  /// Whom a pass over all tenants has run.
  private static func runAll(_ deployment: Deployment) async throws -> [String] {
    let list = try await CommandLineTool.json(["reconcile", "run", "--all"], database: deployment.database)
    return try #require(list["items"] as? [[String: Any]]).compactMap { $0["tenant"] as? String }.sorted()
  }

  @Test func aPausedTenantIsLeftOutAndShownUntilItIsResumed() async throws {
    let deployment = try await Deployment.make()
    try await deployment.addTenant("globex")
    #expect(try await Self.runAll(deployment) == ["acme", "globex"])
    let paused = try await CommandLineTool.json(
      ["reconcile", "pause", "--tenant", "acme", "--by", "ann", "--reason", "it moves"], database: deployment.database)
    #expect(paused["status"] as? String == "paused" && paused["paused_by"] as? String == "ann")
    let acme = try #require(try await Self.places(deployment)["acme"])
    #expect(acme["status"] as? String == "paused" && acme["paused_reason"] as? String == "it moves")
    let globex = try #require(try await Self.places(deployment)["globex"])
    #expect(globex["status"] as? String != "paused" && globex["paused_by"] == nil)
    #expect(try await Self.runAll(deployment) == ["globex"])
    let table = try await CommandLineTool.run(["reconcile", "schedule"], database: deployment.database)
    #expect(table.code == 0 && table.output.contains("it moves"), "\(table.output)")
    // By name it is run all the same.
    let named = try await CommandLineTool.run(
      ["reconcile", "run", "--tenant", "acme"], database: deployment.database)
    #expect(named.code == 0, "\(named.errors)")
    let resumed = try await CommandLineTool.json(
      ["reconcile", "resume", "--tenant", "acme"], database: deployment.database)
    #expect(resumed["status"] as? String != "paused" && resumed["paused_by"] == nil)
    #expect(try await Self.runAll(deployment) == ["acme", "globex"])
  }

  /// The others are run, and the exit code says that one was not.
  @Test func aTenantWhoseRunCannotBeginIsSaidAndAllOthersAreRun() async throws {
    let deployment = try await Deployment.make()
    try await deployment.addTenant("globex")
    try await deployment.execute(
      """
      CREATE FUNCTION public.forbid() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF (SELECT t.slug FROM registry.tenant t WHERE t.tenant_id = NEW.tenant_id) = 'acme' THEN
          RAISE EXCEPTION 'no run begins';
        END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER forbid BEFORE INSERT ON registry.reconciliation_run FOR EACH ROW EXECUTE FUNCTION public.forbid();
      """)
    let run = ["reconcile", "run", "--all"]
    let all = try await CommandLineTool.run(run + ["--format", "json"], database: deployment.database)
    #expect(all.code == 2, "\(all.errors)")
    let items = try #require(try all.json()["items"] as? [[String: Any]])
    let told = items.map { "\($0["tenant"] ?? "") \($0["outcome"] ?? "")" }.sorted()
    #expect(told == ["acme failed", "globex complete"])
    let table = try await CommandLineTool.run(run + ["--format", "table"], database: deployment.database)
    #expect(table.code == 2 && table.errors.contains("acme: ") && !table.errors.contains("globex: "), "\(table.errors)")
  }

  @Test func whatCannotBePausedIsSaid() async throws {
    let deployment = try await Deployment.make()
    for (arguments, code) in [
      (["pause", "--tenant", "acme"], 64), (["pause", "--tenant", "acme", "--reason", ""], 64),
      (["pause", "--tenant", "nobody", "--reason", "x"], 2), (["resume", "--tenant", "nobody"], 2),
      (["schedule", "--limit", "0"], 64),
    ] as [([String], Int32)] {
      let outcome = try await CommandLineTool.run(["reconcile"] + arguments, database: deployment.database)
      #expect(outcome.code == code, "\(arguments): \(outcome.errors)")
    }
    #expect(try await Self.places(deployment)["acme"]?["status"] as? String != "paused")
  }
}
