@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
import TestDatabase
import Testing

/// Runs and schedule under clocks, settings and acts that nobody wants.
@Suite(.migratedDatabase) struct BadInputTests {
  /// A clock that goes where the test puts it.
  private final class JumpingClock: Sendable {
    private let seconds = NIOLockedValueBox(0.0)
    private let base = Date()

    func jump(_ by: Double) { seconds.withLockedValue { $0 += by } }

    var schedule: ScheduleClock {
      ScheduleClock(now: { self.base.addingTimeInterval(self.seconds.withLockedValue { $0 }) }, spread: { 0 })
    }
  }

  private static func scheduler(_ stage: Stage, _ clock: JumpingClock) -> ReconciliationScheduler {
    var mine = stage.registry.reconciliations
    mine.clock = clock.schedule
    mine.providerEvery = nil
    return ReconciliationScheduler(
      reconciliations: mine, schedule: mine.schedule(.every(mine.every?.inSeconds ?? 0)), logger: mine.logger)
  }

  /// Whether somebody is due, and has had a slice.
  private static func works(_ scheduler: ReconciliationScheduler) async throws -> Bool {
    try await scheduler.turn() == nil
  }

  private static func runs(_ stage: Stage) async throws -> [Int64] {
    try await stage.registry.reconciliations.list(tenant: "acme", page: Page(limit: 200)).items.reversed()
      .map(\.missed)
  }

  @Test func aClockThatJumpsCausesOneRunAndHoldsNobodyUp() async throws {
    try await withStage { stage in
      let clock = JumpingClock()
      let scheduler = Self.scheduler(stage, clock)
      #expect(try await Self.works(scheduler))
      #expect(try await !Self.works(scheduler), "nobody is due")
      // Ten days ahead: one run makes good for all that were missed.
      clock.jump(10 * 86_400)
      #expect(try await Self.works(scheduler))
      #expect(try await !Self.works(scheduler))
      // And back: the place that lies ten days ahead is the oldest one.
      clock.jump(-10 * 86_400)
      #expect(try await Self.works(scheduler))
      #expect(try await !Self.works(scheduler))
      let missed = try await Self.runs(stage)
      #expect(missed.count == 3 && missed[0] == 0 && (958...960).contains(missed[1]) && missed[2] == 0, "\(missed)")
      // A small step back waits for its own time and no longer.
      clock.jump(-60)
      #expect(try await !Self.works(scheduler))
      clock.jump(960)
      #expect(try await Self.works(scheduler))
      #expect(try await Self.runs(stage).count == 4)
    }
  }

  @Test func aLeaseFromBeforeTheClockWentBackIsTakenOver() async throws {
    try await withStage { stage in
      let clock = JumpingClock()
      clock.jump(86_400)
      var ahead = stage.registry.reconciliations
      ahead.clock = clock.schedule
      let claimed = try await ahead.claim(TenantID.of(slug: "acme"))
      #expect(claimed != nil)
      clock.jump(-86_400)
      #expect(try await Self.works(Self.scheduler(stage, clock)))
      #expect(try await Self.runs(stage).count == 1)
    }
  }

  @Test func aWatermarkInTheFutureHidesNothing() async throws {
    try await withStage { stage in
      try await stage.owner.execute("UPDATE registry.reconciliation_state SET watermark = now() + interval '30 days'")
      try await stage.expect(Payload.auth("u1", reference: nil), .accepted)
      try await stage.letPass(seconds: 5_000)
      let run = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(run.windowStart == nil && run.foundNew == 1)
      let behind = try await stage.texts("SELECT 1 FROM registry.reconciliation_state WHERE watermark <= now()")
      #expect(behind.count == 1)
    }
  }

  @Test func aGraceOfNothingIsRefusedAndOneOfAMillisecondWaitsForNothing() async throws {
    try await withStage { stage in
      var change = TenantChange()
      change.grace = .zero
      await expectError(.invalidRequest) { [change] in _ = try await stage.registry.tenants.update("acme", change) }
      await #expect(throws: PostgresError.self, "nor does the schema take it") {
        try await stage.owner.execute("UPDATE registry.tenant SET grace_seconds = 0")
      }
      change.grace = .milliseconds(1)
      _ = try await stage.registry.tenants.update("acme", change)
      try await stage.expect(Payload.auth("u1", reference: nil), .accepted)
      #expect(try await stage.registry.reconciliations.run(tenant: "acme").foundNew == 1)
    }
  }

  @Test func aGraceOfThirtyDaysWaitsThirtyDays() async throws {
    let month = 30 * 86_400.0
    try await withStage(StageSettings(grace: .seconds(month))) { stage in
      try await stage.expect(Payload.auth("u1", reference: nil), .accepted)
      for seconds in [3_600, month - 3_700] {
        try await stage.letPass(seconds: seconds)
        #expect(try await stage.registry.reconciliations.run(tenant: "acme").foundNew == 0)
      }
      try await stage.letPass(seconds: 200)
      #expect(try await stage.registry.reconciliations.run(tenant: "acme").foundNew == 1)
    }
  }

  @Test(arguments: [false, true]) func aTenantThatGoesInTheMiddleEndsItsRun(isDeleted: Bool) async throws {
    try await withStage(StageSettings(slugs: ["acme", "globex"])) { stage in
      for number in 1...5 { try await stage.expect(Payload.auth("u\(number)", reference: nil), .accepted) }
      try await stage.letPass(seconds: 5_000)
      let id = TenantID.of(slug: "acme")
      var work = try #require(try await stage.registry.reconciliations.claim(id))
      _ = try await work.step()
      if isDeleted {
        try await Self.delete(stage, id)
      } else {
        try await stage.owner.execute("UPDATE registry.tenant SET disabled_at = now() WHERE slug = 'acme'")
      }
      let error = await expectError(.tenantUnknown) { [work] in
        var work = work
        while try await work.step() == nil {}
      }
      let thrown = try #require(error)
      #expect(thrown.message.contains(isDeleted ? "deleted" : "disabled"), "\(thrown)")
      await stage.registry.reconciliations.end(work, after: thrown)
      #expect(try await stage.count("finding") == 0)
      let held = try await stage.texts("SELECT 1 FROM registry.reconciliation_state WHERE lease_id IS NOT NULL")
      #expect(held.isEmpty)
      let outcomes = try await stage.texts("SELECT outcome FROM registry.reconciliation_run")
      #expect(outcomes == (isDeleted ? [] : ["failed"]))
      // The others' schedule goes on, and the one that is gone is not due.
      var visited: [String] = []
      try await stage.registry.reconciliations.runAll { visited.append($0.tenant) }
      #expect(visited == ["globex"])
      if !isDeleted {
        try await stage.owner.execute("UPDATE registry.tenant SET disabled_at = NULL")
        stage.registry.connections.directory.forget("acme")
        #expect(try await stage.registry.reconciliations.run(tenant: "acme").foundNew == 5, "nothing was lost")
      }
    }
  }

  /// Takes every row of a tenant out, as a superuser may.
  private static func delete(_ stage: Stage, _ id: UUID) async throws {
    let tables = try await stage.texts(
      """
      SELECT table_name::text FROM information_schema.columns
      WHERE table_schema = 'registry' AND column_name = 'tenant_id'
      """)
    var statements = [PostgresStatement("SET LOCAL session_replication_role = replica")]
    statements += tables.map { PostgresStatement("DELETE FROM registry.\($0) WHERE tenant_id = $1", [.uuid(id)]) }
    _ = try await stage.owner.execute(PostgresBatch(statements: statements))
  }
}
