@testable import ConnectionRegistry
import Foundation
import Logging
import NIOConcurrencyHelpers
import RegistryPostgres
import TestDatabase
import Testing

/// How long a large tenant may hold a small one up, where each step takes the same time by the clock of the test.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct FairTurnTests {
  /// How long a step takes, and a slice may.
  private static let (step, budget) = (0.4, 1.0)
  private static let large = "large"
  /// How often each is due, in seconds.
  private static let period = 86_400.0

  /// Time that passes with the steps of runs, and in no other way; and who took them.
  private final class StepClock: Sendable {
    private struct State {
      var seconds = 0.0
      var steps: [(tenant: String, at: Double)] = []
    }

    private let state = NIOLockedValueBox(State())
    let base: Date

    init(base: Date) { self.base = base }

    var seconds: Double { state.withLockedValue { $0.seconds } }

    func take(_ tenant: String) {
      state.withLockedValue { state in
        state.steps.append((tenant, state.seconds))
        state.seconds += FairTurnTests.step
      }
    }

    /// How many steps of a tenant fall into a time.
    func steps(of slug: String, from: Double, to: Double) -> Int {
      let tenant = TenantID.of(slug: slug).uuidString
      return state.withLockedValue { state in
        state.steps.count { $0.tenant == tenant && $0.at + FairTurnTests.step > from && $0.at < to }
      }
    }

    var schedule: ScheduleClock {
      ScheduleClock(
        now: { self.base.addingTimeInterval(self.seconds) }, elapsed: { .seconds(self.seconds) }, spread: { 0 })
    }
  }

  private struct SteppingExecutor: PostgresBatchExecutor {
    let base: any PostgresBatchExecutor
    let clock: StepClock

    nonisolated(nonsending) func execute(
      _ batch: PostgresBatch, deadline: ContinuousClock.Instant?
    ) async throws -> [PostgresResult] {
      let results = try await base.execute(batch, deadline: deadline)
      let fence = batch.statements.first { $0.name == "reconciliation_fence" }
      if let tenant = fence?.parameters.first?.literal { clock.take(tenant) }
      return results
    }
  }

  /// The beginning of the longest stretch of the last day in which no tenant has its moment of the grid: else one that was
  /// run would fall due again while the test goes on.
  private static func quietMoment(of slugs: [String]) throws -> Date {
    let schedule = ReconciliationSchedule(demand: .every(period), lease: 120)
    let before = Date().addingTimeInterval(-period)
    let moments = slugs.compactMap { schedule.next(for: TenantID.of(slug: $0), after: before) }.sorted()
    let first = try #require(moments.first)
    let gaps = zip(moments, moments.dropFirst() + [first.addingTimeInterval(period)])
    let longest = try #require(gaps.max { $0.1.timeIntervalSince($0.0) < $1.1.timeIntervalSince($1.0) })
    return longest.0.addingTimeInterval(1)
  }

  /// The large tenant has 8,000 connections to be judged in its next run, the small ones nothing.
  private static func fill(_ stage: Stage) async throws {
    for text in [
      """
      INSERT INTO registry.connection (tenant_id, user_id, auth_key, alive_key, reference_key, reference_id, resource_key,
        resource)
      SELECT t.tenant_id, 'u' || i, k.key, k.key, k.key, 'p' || i, k.key, 'FITBIT'
      FROM registry.tenant t, generate_series(1, 8000) i, (VALUES ('0000000000000001:4:a')) k (key)
      WHERE t.slug = '\(large)'
      """,
      "UPDATE registry.reconciliation_state SET watermark = now() - interval '1 hour'",
      "ANALYZE",
    ] { try await stage.owner.execute(PostgresStatement(text)) }
  }

  @Test func aSmallTenantWaitsForOneSliceOfTheLargeOneAndASliceIsNoLongerThanItMayBe() async throws {
    // Due while the large one is at work, each at another moment of one of its slices.
    let dues = ["early": 0.1, "middle": 1.9, "late": 2.9]
    try await withStage(StageSettings(slugs: [Self.large] + dues.keys)) { stage in
      try await Self.fill(stage)
      let clock = StepClock(base: try Self.quietMoment(of: [Self.large] + dues.keys))
      for (slug, seconds) in dues.merging([Self.large: -60], uniquingKeysWith: { $1 }) {
        try await stage.owner.execute(
          "UPDATE registry.reconciliation_state SET place_at = $1, due_at = $1 WHERE tenant_id = $2",
          [.timestamp(clock.base.addingTimeInterval(seconds)), .uuid(TenantID.of(slug: slug))])
      }
      let own = stage.registry.reconciliations
      let mine = Reconciliations(
        database: RegistryDatabase(
          service: SteppingExecutor(base: own.database.service, clock: clock), lanes: nil,
          worker: own.database.worker, logger: own.logger),
        directory: own.directory, timing: own.timing, every: .seconds(Self.period), clock: clock.schedule,
        logger: own.logger)
      var scheduler = ReconciliationScheduler(
        reconciliations: mine, schedule: mine.schedule(.every(Self.period)), logger: own.logger, scope: .local)
      scheduler.sliceBudget = .seconds(Self.budget)
      let slices = NIOLockedValueBox<[ReconciliationScheduler.Slice]>([])
      scheduler.observe = { slice in slices.withLockedValue { $0.append(slice) } }
      while try await scheduler.turn() == nil {}

      let all = slices.withLockedValue { $0 }
      let ends = all.map { slice in slice.place.slug + (slice.run.map { " \($0.outcome) \($0.runID)" } ?? "") }
      #expect(all.compactMap(\.run).count { $0.outcome == .complete } == 4, "\(ends)")
      let turns = all.filter { $0.place.slug == Self.large }
      #expect(turns.count >= 3, "the large tenant took \(turns.count) turns")
      #expect(try #require(turns.last?.run).examined >= 8_000)
      // A slice ends with the step in which its time runs out.
      let longest = Int((Self.budget / Self.step).rounded(.up))
      for slice in all {
        let taken = Int((slice.duration.inSeconds / Self.step).rounded())
        #expect(taken <= longest, "\(slice.place.slug) took \(taken) steps")
      }
      var waited = 0
      for (slug, due) in dues {
        let first = try #require(all.first { $0.place.slug == slug })
        let start = first.at.timeIntervalSince(clock.base)
        let steps = clock.steps(of: Self.large, from: due, to: start)
        waited += steps
        #expect(steps <= longest, "\(slug) was due at \(due) and waited for \(steps) steps until \(start)")
      }
      #expect(waited > 0, "nobody was due while the large tenant was at work")
    }
  }
}
