@testable import ConnectionRegistry
import Foundation
import Logging
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
import TestDatabase
import Testing

/// Several schedulers over one queue of tenants.
@Suite(.migratedDatabase) struct SchedulerTests {
  /// How much there is to do.
  struct Load: Sendable, CustomTestStringConvertible {
    var tenants: Int
    /// How many each scheduler works on side by side.
    var atOnce: Int
    /// App users of an ordinary tenant; the large one has as many as all others together.
    var users: Int
    var period: Duration
    var sliceBudget: Duration

    var testDescription: String { "\(tenants) tenants, \(atOnce) at once" }

    static var all: [Load] {
      var loads = [1, 3].map {
        Load(tenants: 40, atOnce: $0, users: 25, period: .seconds(60), sliceBudget: .milliseconds(40))
      }
      if ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1" {
        loads.append(Load(tenants: 1_000, atOnce: 4, users: 50, period: .seconds(120), sliceBudget: .seconds(2)))
      }
      return loads
    }
  }

  private static let large = "large"

  /// Ten minutes of schedule: four schedulers share the work, and idle time is skipped.
  @Test(.timeLimit(.minutes(20)), arguments: Load.all)
  func eachTenantIsRunAsOftenAsDueAndNoneIsHeldUpByALargeOne(_ load: Load) async throws {
    try await withStage(StageSettings(slugs: [Self.large])) { stage in
      try await Self.fill(stage, load)
      let clock = IdleSkippingClock(participants: 4 * load.atOnce, end: .seconds(600))
      let slices = NIOLockedValueBox<[ReconciliationScheduler.Slice]>([])
      let watch = WatchfulExecutor.Watch()
      let schedule = stage.registry.reconciliations.schedule(.every(load.period.inSeconds))
      try await Self.withSchedulers(4, stage, clock, schedule, load, watch) { slice in
        slices.withLockedValue { $0.append(slice) }
      } until: {
        await clock.untilEnd()
      }
      // None twice at once, and each slice was watched.
      let clashes = watch.clashes
      #expect(clashes.isEmpty, "\(clashes.count), the first: \(clashes.first ?? "")")
      #expect(watch.taken == slices.withLockedValue { $0.count } && watch.held.isEmpty, "\(watch.taken), \(watch.held)")
      let now = Date(timeIntervalSince1970: (clock.schedule.now() ?? Date()).timeIntervalSince1970)
      try await Self.check(slices.withLockedValue { $0 }, schedule, load, until: now, stage)
    }
  }

  private static func check(
    _ slices: [ReconciliationScheduler.Slice], _ schedule: ReconciliationSchedule, _ load: Load, until now: Date,
    _ stage: Stage
  ) async throws {
    let byTenant = Dictionary(grouping: slices, by: \.place.slug)
    #expect(byTenant.count == load.tenants)
    var delays: [Double] = []
    // How many slices of the large tenant lay between the moments at which others were due and began. No single one is held to a
    // number: who looks and is then kept from the processor for long finds others gone on (FairTurnTests counts exactly).
    var waits: [Int] = []
    for (slug, slices) in byTenant {
      let starts = slices.filter(\.isFirst)
      // The first moment after each start is the next one's: none left out, none twice.
      for (start, next) in zip(starts, starts.dropFirst()) {
        let due = try #require(schedule.next(for: start.place.tenantID, after: start.at))
        #expect(abs(due.timeIntervalSince(next.place.placeAt)) < 0.001, "\(slug)")
        #expect(next.at >= due, "\(slug)")
        if slug != large {
          delays.append(next.at.timeIntervalSince(due))
          waits.append(
            (byTenant[large] ?? []).count {
              $0.at < next.at && $0.at.addingTimeInterval($0.duration.inSeconds) > due
            })
        }
      }
      let last = try #require(starts.last)
      let due = try #require(schedule.next(for: last.place.tenantID, after: last.at))
      #expect(due > now.addingTimeInterval(-30), "\(slug) was due at \(due), it is \(now)")
      // Each takes the place as the one before has left it.
      for (slice, next) in zip(slices, slices.dropFirst()) {
        #expect(next.place.version > slice.place.version, "\(slug)")
      }
      let runs = slices.compactMap(\.run)
      #expect(runs.count == starts.count && runs.allSatisfy { $0.outcome == .complete && $0.missed == 0 }, "\(slug)")
    }
    let complete = try await stage.texts("SELECT outcome FROM registry.reconciliation_run WHERE outcome <> 'complete'")
    #expect(complete.isEmpty)
    let longest = slices.map { $0.duration.inSeconds }.max() ?? 0
    let turns = byTenant[large]?.count ?? 0
    let runs = byTenant[large]?.filter(\.isFirst).count ?? 0
    #expect(turns > runs, "the large tenant takes several slices a run")
    waits.sort()
    #expect(waits[waits.count / 2] <= 1, "the large tenant holds the others up: \(waits)")
    delays.sort()
    let median = delays[delays.count / 2]
    print(
      "\(load): \(slices.count) slices, \(slices.compactMap(\.run).count) runs, the large tenant \(turns) slices in",
      "\(runs) runs; start delay of the others: median \(median) s, worst \(delays.last ?? 0) s; slice \(longest) s")
  }

  private static func withSchedulers(
    _ count: Int, _ stage: Stage, _ clock: IdleSkippingClock, _ schedule: ReconciliationSchedule, _ load: Load,
    _ watch: WatchfulExecutor.Watch,
    observe: @escaping @Sendable (ReconciliationScheduler.Slice) -> Void, until end: () async -> Void
  ) async throws {
    var reconciliations = stage.registry.reconciliations
    reconciliations.clock = clock.schedule
    let database = reconciliations.database
    let watched = RegistryDatabase(
      service: WatchfulExecutor(base: database.service, watch: watch), lanes: nil, worker: database.worker,
      logger: database.logger)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<count {
        let mine = Reconciliations(
          database: watched, directory: reconciliations.directory, timing: reconciliations.timing,
          every: .seconds(period(of: schedule)), clock: clock.schedule, logger: reconciliations.logger,
          tenantsAtOnce: load.atOnce)
        group.addTask {
          var scheduler = ReconciliationScheduler(
            reconciliations: mine, schedule: schedule, logger: mine.logger, observe: observe)
          scheduler.sliceBudget = load.sliceBudget
          try? await scheduler.run()
        }
      }
      await end()
      group.cancelAll()
    }
  }

  private static func period(of schedule: ReconciliationSchedule) -> Double {
    if case .every(let period) = schedule.demand { period } else { 0 }
  }

  /// Tenants with live connections, half of all rows in one of them.
  private static func fill(_ stage: Stage, _ load: Load) async throws {
    let others = load.tenants - 1
    let slugs = (1...others).map { "small-\($0)" }
    try await stage.owner.execute(
      """
      INSERT INTO registry.tenant (tenant_id, slug, dev_id, terra_base_url, terra_widget_url)
      SELECT n.id::uuid, n.slug, 'dev', 'https://api.example', 'https://widget.example'
      FROM unnest($1::text[], $2::text[]) AS n (id, slug)
      """, [.textArray(slugs.map { TenantID.of(slug: $0).text }), .textArray(slugs)])
    for text in [
      "INSERT INTO registry.reconciliation_state (tenant_id) SELECT tenant_id FROM registry.tenant ON CONFLICT DO NOTHING",
      """
      INSERT INTO registry.auth_event (tenant_id, event_id, signed_at, occurred_at, channel, kind, type, user_id,
        reference_id, resource, body, body_sha256)
      SELECT t.tenant_id, gen_random_uuid(), now(), now(), 'webhook', 'auth_success', 'auth', 'u' || i, 'p' || i, 'FITBIT',
        '', ''
      FROM registry.tenant t, LATERAL generate_series(1, CASE t.slug WHEN '\(large)' THEN \(load.users * others)
        ELSE \(load.users) END) i
      """,
      """
      INSERT INTO registry.connection (tenant_id, user_id, auth_key, alive_key, reference_key, reference_id, resource_key,
        resource)
      SELECT e.tenant_id, e.user_id, k.key, k.key, k.key, e.reference_id, k.key, e.resource
      FROM registry.auth_event e, (VALUES ('0000000000000001:4:a')) k (key)
      """,
      "ANALYZE",
    ] {
      _ = try await stage.owner.execute(PostgresStatement(text), deadline: .now + .seconds(120))
    }
  }
}
