@testable import ConnectionRegistry
import Foundation
import Logging
import NIOConcurrencyHelpers
@testable import RegistryPostgres
import TestDatabase
import Testing

/// A tenant that cannot be run holds no other up.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct FailingTenantTests {
  private static let slugs = ["acme", "broken", "globex"]

  /// Three tenants that are due since they were run an hour ago, of whom the one that cannot be run has waited longest.
  private static func withTenants(_ body: @Sendable (Stage) async throws -> Void) async throws {
    try await withStage(StageSettings(slugs: slugs)) { stage in
      try await stage.owner.execute(
        """
        UPDATE registry.reconciliation_state SET due_at = now() - interval '1 hour', started_at = now() - interval '1 hour',
          place_at = now() - CASE WHEN tenant_id = $1 THEN interval '1 hour' ELSE interval '1 minute' END
        """, [.uuid(TenantID.of(slug: "broken"))])
      try await body(stage)
    }
  }

  /// Lets no run of the tenant begin.
  private static func forbidRuns(_ stage: Stage) async throws {
    for text in [
      """
      CREATE FUNCTION public.forbid() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'no run begins';
      END $$
      """,
      """
      CREATE TRIGGER forbid BEFORE INSERT ON registry.reconciliation_run FOR EACH ROW
      WHEN (NEW.tenant_id = '\(TenantID.of(slug: "broken").text)') EXECUTE FUNCTION public.forbid()
      """,
    ] { try await stage.owner.execute(PostgresStatement(text)) }
  }

  /// Comparisons of which one tenant's, or everybody's, meet an error at a statement.
  private static func refusing(
    _ stage: Stage, _ statement: String, of slug: String? = "broken", _ code: PostgresError.Code,
    clock: ScheduleClock = ScheduleClock()
  ) -> Reconciliations {
    let own = stage.registry.reconciliations
    let (service, error) = (own.database.service, PostgresError(code, "it is refused"))
    let database = RegistryDatabase(
      service: RefusingExecutor(
        base: service, tenant: slug.map { TenantID.of(slug: $0).uuidString }, statement: statement, error: error),
      lanes: nil, worker: own.database.worker, logger: own.logger)
    return Reconciliations(
      database: database, directory: own.directory, timing: own.timing, every: .seconds(900), clock: clock,
      logger: own.logger)
  }

  /// Whom a pass over all has told of, in order.
  private static func pass(
    _ reconciliations: Reconciliations, of tenants: Int = slugs.count
  ) async throws -> [ReconciliationRun] {
    var runs: [ReconciliationRun] = []
    try await reconciliations.runAll {
      runs.append($0)
      // Nobody comes twice: a pass that has no end is not waited for.
      if runs.count > tenants { throw CancellationError() }
    }
    return runs
  }

  private static func told(_ runs: [ReconciliationRun]) -> [String] {
    runs.map { "\($0.tenant) \($0.outcome.rawValue)" }.sorted()
  }

  /// The slices of a schedule until nobody is due, at most so many.
  private static func slices(
    _ reconciliations: Reconciliations, atMost limit: Int = 20
  ) async throws -> [ReconciliationScheduler.Slice] {
    var scheduler = ReconciliationScheduler(
      reconciliations: reconciliations, schedule: reconciliations.schedule(.every(900)), logger: Logger(label: "test"),
      scope: .local)
    let slices = NIOLockedValueBox<[ReconciliationScheduler.Slice]>([])
    scheduler.observe = { slice in slices.withLockedValue { $0.append(slice) } }
    while try await scheduler.turn() == nil, slices.withLockedValue({ $0.count }) < limit {}
    return slices.withLockedValue { $0 }
  }

  private static func ended(_ slices: [ReconciliationScheduler.Slice]) -> [String] {
    told(slices.compactMap(\.run))
  }

  @Test func aRunThatCannotBeginIsNotTheOldestAgain() async throws {
    try await Self.withTenants { stage in
      try await Self.forbidRuns(stage)
      let reconciliations = stage.registry.reconciliations
      let first = try await Self.slices(reconciliations)
      #expect(Self.ended(first) == ["acme complete", "broken failed", "globex complete"])
      let run = try #require(first.compactMap(\.run).first { $0.tenant == "broken" })
      #expect(run.error?.contains("P0001") == true, "\(run)")
      // It waits for its next moment as the others do, and what it has missed is counted once.
      let place = try #require(try await reconciliations.places().first { $0.tenant == "broken" })
      #expect(place.status == .waiting && place.missed == 4, "\(place)")
      #expect(try #require(place.dueAt) > Date())
      try await stage.letPass(seconds: 1_000)
      #expect(
        try await Self.ended(Self.slices(reconciliations)) == ["acme complete", "broken failed", "globex complete"])
      try await stage.owner.execute("DROP TRIGGER forbid ON registry.reconciliation_run")
      try await stage.letPass(seconds: 1_000)
      #expect(
        try await Self.ended(Self.slices(reconciliations)) == ["acme complete", "broken complete", "globex complete"])
    }
  }

  @Test func aPassOverAllEndsThoughOneRunCannotBegin() async throws {
    try await Self.withTenants { stage in
      try await Self.forbidRuns(stage)
      let runs = try await Self.pass(stage.registry.reconciliations)
      #expect(Self.told(runs) == ["acme complete", "broken failed", "globex complete"])
      let held = try await stage.texts("SELECT 1::text FROM registry.reconciliation_state WHERE lease_id IS NOT NULL")
      #expect(held.isEmpty)
    }
  }

  /// Where even that cannot be written, the lease holds it back.
  @Test func aPassOverAllEndsThoughAFailureCannotBeWritten() async throws {
    try await Self.withTenants { stage in
      try await Self.forbidRuns(stage)
      let reconciliations = Self.refusing(stage, "reconciliation_release", .server)
      let runs = try await Self.pass(reconciliations)
      #expect(Self.told(runs) == ["acme complete", "broken failed", "globex complete"])
      #expect(try await Self.slices(reconciliations).allSatisfy { $0.place.slug != "broken" })
    }
  }

  @Test func whoAloneGetsNoAnswerIsPutOffAndAllOthersAreRun() async throws {
    try await Self.withTenants { stage in
      let runs = try await Self.pass(Self.refusing(stage, "reconciliation_progress", .timedOut))
      #expect(Self.told(runs) == ["acme complete", "broken running", "globex complete"])
      let run = try #require(runs.first { $0.tenant == "broken" })
      #expect(run.error?.contains("PostgreSQL does not answer") == true, "\(run)")
      // Its place has moved on: whoever comes next is not held up by it first.
      let ahead = try await stage.texts(
        """
        SELECT t.slug FROM registry.reconciliation_state s JOIN registry.tenant t ON t.tenant_id = s.tenant_id
        WHERE s.lease_id IS NULL AND s.place_at BETWEEN now() + interval '30 seconds' AND now() + interval '900 seconds'
          AND s.run_id IS NOT NULL
        """)
      #expect(ahead == ["broken"])
      // The same run is gone on with.
      let next = try await Self.pass(stage.registry.reconciliations)
      #expect(Self.told(next) == ["acme complete", "broken complete", "globex complete"])
      #expect(next.first { $0.tenant == "broken" }?.runID == run.runID)
    }
  }

  @Test func whoGetsNoAnswerWaitsLongerEachTimeAndLessThanAPeriod() async throws {
    try await Self.withTenants { stage in
      let now = NIOLockedValueBox(Date())
      let reconciliations = Self.refusing(
        stage, "reconciliation_progress", .timedOut, clock: ScheduleClock(now: { now.withLockedValue { $0 } }))
      #expect(
        try await Self.ended(Self.slices(reconciliations)) == ["acme complete", "broken running", "globex complete"])
      for pause in [120.0, 120, 240, 480, 900, 900] {
        // A moment before, it is not tried.
        now.withLockedValue { $0 += pause - 1 }
        #expect(try await Self.slices(reconciliations).allSatisfy { $0.place.slug != "broken" }, "\(pause)")
        now.withLockedValue { $0 += 1 }
        let slices = try await Self.slices(reconciliations)
        #expect(slices.count { $0.place.slug == "broken" } == 1, "\(pause)")
      }
    }
  }

  @Test func whereNobodyGetsAnAnswerAPassOverAllSaysThatTheDatabaseIsAway() async throws {
    try await Self.withTenants { stage in
      let own = stage.registry.reconciliations
      // Gone after the first run was claimed.
      let isAway = NIOLockedValueBox(false)
      let database = RegistryDatabase(
        service: FailingOver(base: own.database.service, isAway: isAway, after: "reconciliation_claim"), lanes: nil,
        worker: FailingOver(base: own.database.worker, isAway: isAway, after: nil), logger: own.logger)
      let reconciliations = Reconciliations(
        database: database, directory: own.directory, timing: own.timing, every: .seconds(900), logger: own.logger)
      await expectError(.databaseUnavailable) { _ = try await Self.pass(reconciliations) }
    }
  }

  /// A database that does not answer any more once a statement was run.
  private struct FailingOver: PostgresBatchExecutor {
    let base: any PostgresBatchExecutor
    let isAway: NIOLockedValueBox<Bool>
    let after: String?

    nonisolated(nonsending) func execute(
      _ batch: PostgresBatch, deadline: ContinuousClock.Instant?
    ) async throws -> [PostgresResult] {
      if isAway.withLockedValue({ $0 }) { throw PostgresError(.timedOut, "nobody answers") }
      let results = try await base.execute(batch, deadline: deadline)
      if batch.statements.contains(where: { $0.name == after }) { isAway.withLockedValue { $0 = true } }
      return results
    }
  }

  @Test func aTenantThatCannotEvenBeTakenHoldsNobodyUp() async throws {
    try await Self.withTenants { stage in
      let reconciliations = Self.refusing(stage, "reconciliation_claim", .server)
      #expect(try await Self.ended(Self.slices(reconciliations)) == ["acme complete", "globex complete"])
      let runs = try await Self.pass(reconciliations)
      #expect(Self.told(runs) == ["acme complete", "broken failed", "globex complete"])
    }
  }

  /// However many they are: more than a look at the queue reads.
  @Test func manyThatCannotBeTakenHideNobody() async throws {
    let broken = (1...ReconciliationScheduler.lookAhead + 2).map { "broken-\($0)" }
    try await withStage(StageSettings(slugs: broken + ["acme"])) { stage in
      let acme = TenantID.of(slug: "acme").text
      for text in [
        """
        UPDATE registry.reconciliation_state SET due_at = now() - interval '1 hour', started_at = now() - interval '1 hour',
          place_at = now() - CASE WHEN tenant_id = '\(acme)' THEN interval '1 minute' ELSE interval '1 hour' END
        """,
        """
        CREATE FUNCTION public.forbid() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION 'no place is taken';
        END $$
        """,
        """
        CREATE TRIGGER forbid BEFORE UPDATE ON registry.reconciliation_state FOR EACH ROW
        WHEN (NEW.tenant_id <> '\(acme)') EXECUTE FUNCTION public.forbid()
        """,
      ] { try await stage.owner.execute(PostgresStatement(text)) }
      let reconciliations = stage.registry.reconciliations
      #expect(try await Self.ended(Self.slices(reconciliations)) == ["acme complete"])
      let runs = try await Self.pass(reconciliations, of: broken.count + 1)
      #expect(runs.count == broken.count + 1)
      #expect(Self.told(runs.filter { $0.outcome != .failed }) == ["acme complete"])
    }
  }

  @Test func aPlaceThatCannotBeTakenIsTriedAgainLaterAndAtOnceWhereItHasChanged() {
    func place(_ version: Int) -> ReconciliationSchedule.Place {
      var place = ReconciliationSchedule.Place(
        tenantID: TenantID.of(slug: "acme"), slug: "acme", placeAt: .distantPast)
      place.version = version
      return place
    }
    let (places, start) = (PassedOverPlaces(), Date(timeIntervalSince1970: 1_800_000_000))
    var now = start
    for seconds in [120.0, 240, 480, 960, 960] {
      places.add(place(1), from: now, seconds: 120)
      #expect(places.contains(place(1), at: now.addingTimeInterval(seconds - 1)))
      now += seconds + 1
      #expect(!places.contains(place(1), at: now))
    }
    places.add(place(1), from: now, seconds: 120)
    #expect(places.contains(place(1), at: now) && !places.contains(place(2), at: now))
    #expect(!places.contains(place(1), at: now.addingTimeInterval(-1)), "a clock that went back")
    places.add(place(2), from: now, seconds: 120)
    #expect(!places.contains(place(2), at: now.addingTimeInterval(121)))
    places.remove(place(2).tenantID)
    #expect(!places.contains(place(2), at: now) && places.count == 0)
  }

  /// Somebody's transaction that never ends, such as that of a process that stands still, has a tenant's place.
  @Test func aPlaceThatIsLockedIsLeftAndAllOthersAreRun() async throws {
    try await Self.withTenants { stage in
      try await stage.owner.withTransaction { transaction in
        _ = try await transaction.execute(
          PostgresStatement(
            "SELECT 1 FROM registry.reconciliation_state WHERE tenant_id = $1 FOR UPDATE",
            [.uuid(TenantID.of(slug: "broken"))]))
        #expect(
          try await Self.ended(Self.slices(stage.registry.reconciliations)) == ["acme complete", "globex complete"])
        let runs = try await Self.pass(stage.registry.reconciliations)
        #expect(Self.told(runs) == ["acme complete", "globex complete"])
      }
      #expect(try await Self.ended(Self.slices(stage.registry.reconciliations)).contains("broken complete"))
    }
  }
}
