@testable import ConnectionRegistry
import Configuration
import Foundation
import Logging
import RegistryPostgres
import TestDatabase
import TestReceiver
import Testing

/// One process that works on several tenants side by side.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct SideBySideTests {
  private struct Enough: Error {}

  /// Two tenants whose Terra says nothing, and who are due first, and a third one.
  private static func withSlowTenants(_ body: @Sendable (Stage, Receiver) async throws -> Void) async throws {
    try await Receiver.with({ _ in .hang }) { terra in
      try await withStage(StageSettings(slugs: ["quick", "slow-1", "slow-2"])) { stage in
        for slug in ["slow-1", "slow-2"] {
          var change = TenantChange()
          change.terraBaseURL = "http://127.0.0.1:\(terra.port)/v2"
          change.providerEvery = .seconds(3_600)
          _ = try await stage.registry.tenants.update(slug, change)
        }
        try await stage.owner.execute(
          """
          UPDATE registry.reconciliation_state SET place_at = now() - CASE WHEN tenant_id = $1 THEN interval '1 second'
            ELSE interval '1 hour' END
          """, [.uuid(TenantID.of(slug: "quick"))])
        try await body(stage, terra)
      }
    }
  }

  /// Both slow tenants are in the middle of their question.
  private static func waitUntilBothAsk(_ terra: Receiver) async {
    await terra.wait { Set($0.compactMap { $0.headers["dev-id"] }) == ["slow-1-dev-id", "slow-2-dev-id"] }
  }

  private static func begun(_ stage: Stage) async throws -> [String] {
    try await stage.texts(
      """
      SELECT t.slug || ' ' || r.outcome FROM registry.reconciliation_run r
      JOIN registry.tenant t ON t.tenant_id = r.tenant_id ORDER BY 1
      """)
  }

  @Test func twoTenantsWhoseTerraIsSlowDoNotDelayAThird() async throws {
    try await Self.withSlowTenants { stage, terra in
      let (slices, ended) = AsyncStream.makeStream(of: ReconciliationScheduler.Slice.self)
      let reconciliations = stage.registry.reconciliations
      #expect(reconciliations.tenantsAtOnce == 4, "what a deployment does that says nothing")
      var scheduler = ReconciliationScheduler(
        reconciliations: reconciliations, schedule: reconciliations.schedule(.every(900)),
        logger: Logger(label: "test"))
      scheduler.observe = { ended.yield($0) }
      let work = Task { [scheduler] in try await scheduler.run() }
      await Self.waitUntilBothAsk(terra)
      var over = slices.makeAsyncIterator()
      let first = try #require(await over.next())
      #expect(first.place.slug == "quick" && first.run?.outcome == .complete, "\(first)")
      #expect(try await Self.begun(stage) == ["quick complete", "slow-1 running", "slow-2 running"])
      work.cancel()
      _ = await work.result
      // Whoever is cancelled in the middle gives its place back.
      let held = try await stage.texts("SELECT 1::text FROM registry.reconciliation_state WHERE lease_id IS NOT NULL")
      #expect(held.isEmpty)
    }
  }

  @Test func norDoTheyWhereEveryTenantIsRunOnce() async throws {
    try await Self.withSlowTenants { stage, terra in
      await #expect(throws: Enough.self) {
        try await stage.registry.reconciliations.runAll(isScheduled: true) { run in
          #expect(run.tenant == "quick" && run.outcome == .complete, "\(run)")
          await Self.waitUntilBothAsk(terra)
          #expect(try await Self.begun(stage) == ["quick complete", "slow-1 running", "slow-2 running"])
          throw Enough()
        }
      }
      let held = try await stage.texts("SELECT 1::text FROM registry.reconciliation_state WHERE lease_id IS NOT NULL")
      #expect(held.isEmpty)
    }
  }

  /// However many may be under way, those who ask nobody are compared one after the other.
  @Test func whoWaitsForNobodyIsComparedAlone() async throws {
    try await withStage(StageSettings(slugs: ["acme", "globex", "initech"])) { stage in
      var reconciliations = stage.registry.reconciliations
      reconciliations.providerEvery = nil
      let (slices, ended) = AsyncStream.makeStream(of: (from: Duration, to: Duration).self)
      var scheduler = ReconciliationScheduler(
        reconciliations: reconciliations, schedule: reconciliations.schedule(.every(900)),
        logger: Logger(label: "test"))
      scheduler.observe = { [clock = reconciliations.clock] slice in
        let now = clock.elapsed()
        ended.yield((now - slice.duration, now))
      }
      let work = Task { [scheduler] in try await scheduler.run() }
      var over = slices.makeAsyncIterator()
      var last = Duration.zero
      for _ in 1...3 {
        let slice = try #require(await over.next())
        #expect(slice.from >= last)
        last = slice.to
      }
      work.cancel()
      _ = await work.result
    }
  }

  @Test func theWayGoesToWhoeverHasWaitedLongestAndIsStillThere() async throws {
    let way = ScheduleWay()
    try await way.take()
    let (came, comes) = AsyncStream.makeStream(of: Int.self)
    // Each waits before the next one comes.
    let waiting = (1...12).map { number in
      Task.immediate {
        try await way.take()
        comes.yield(number)
      }
    }
    // Whoever is cancelled while it waits does not take the way, and the next one does.
    for number in [1, 7] {
      waiting[number - 1].cancel()
      await #expect(throws: CancellationError.self) { try await waiting[number - 1].value }
    }
    var turns = came.makeAsyncIterator()
    var seen: [Int] = []
    for _ in 1...10 {
      way.leave()
      seen.append(try #require(await turns.next()))
    }
    #expect(seen == [2, 3, 4, 5, 6, 8, 9, 10, 11, 12])
    way.leave()
    try await way.take()
  }

  @Test(arguments: [(nil, 4), ("1", 1), ("64", 64), ("0", nil), ("65", nil), ("some", nil)] as [(String?, Int?)])
  func theNumberOfTenantsIsRead(_ text: String?, _ number: Int?) throws {
    var variables = ["REGISTRY_MASTER_KEYS": MasterKeyRing.newKey()]
    variables["REGISTRY_RECONCILE_TENANTS"] = text
    let reader = ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: variables))
      .scoped(to: "registry")
    if let number {
      #expect(try ConnectionRegistry.Configuration(reader: reader).tenantsAtOnce == number)
    } else {
      let error = expectError(.invalidRequest) { _ = try ConnectionRegistry.Configuration(reader: reader) }
      #expect(error?.field == "REGISTRY_RECONCILE_TENANTS")
    }
  }
}
