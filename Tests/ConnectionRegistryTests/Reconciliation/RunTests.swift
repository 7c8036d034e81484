@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import TestDatabase
import TestRandom
import Testing

@Suite(.migratedDatabase) struct RunTests {
  @Test func theWindowBeginsWhereTheLastCompleteRunEnded() async throws {
    try await withStage { stage in
      let first = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(first.windowStart == nil)
      #expect(first.outcome == .complete)
      let second = try await stage.registry.reconciliations.run(tenant: "acme")
      let start = try #require(second.windowStart)
      #expect(start < first.windowEnd.addingTimeInterval(-600))
      let listed = try await stage.registry.reconciliations.list(tenant: "acme").items
      #expect(listed.map(\.runID) == [second.runID, first.runID])
      let shown = try await stage.registry.reconciliations.show(tenant: "acme", first.runID)
      #expect(shown == first)
    }
  }

  @Test func ofTwoRunsAtOnceOneIsRefused() async throws {
    try await withStage { stage in
      try await stage.owner.execute(
        """
        UPDATE registry.reconciliation_state
        SET run_id = gen_random_uuid(), lease_id = gen_random_uuid(), lease_until = now() + interval '1 minute'
        """)
      await expectError(.alreadyRunning) {
        _ = try await stage.registry.reconciliations.run(tenant: "acme")
      }
      let runs = try await stage.count("reconciliation_run")
      #expect(runs == 0)
      // A lease that ran out is a run that was killed.
      try await stage.letPass(seconds: 120)
      let run = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(run.outcome == .complete)
    }
  }

  @Test func ofManyRunsAtOnceTheCompleteOnesFollowEachOther() async throws {
    try await withStage { stage in
      for number in 1...20 { try await stage.expect(Payload.auth("u\(number)", reference: nil), .accepted) }
      try await stage.letPass(seconds: 5_000)
      let outcomes = await withTaskGroup(of: Bool.self) { group in
        for _ in 1...6 {
          group.addTask {
            (try? await stage.registry.reconciliations.run(tenant: "acme").outcome == .complete) ?? false
          }
        }
        return await group.reduce(into: [Bool]()) { $0.append($1) }
      }
      #expect(outcomes.contains(true))
      let found = try await stage.openFindings()
      #expect(found.count == 20)
    }
  }

  /// Cancelled at any moment, a run gives its place back at once, and the next one is right.
  @Test func aCancelledRunGivesItsPlaceBack() async throws {
    var generator = SeededGenerator(seed: TestSeed.take("aCancelledRunGivesItsPlaceBack"))
    let delays = (0..<25).map { _ in Int.random(in: 0...30_000, using: &generator) }
    try await withStage { stage in
      for number in 1...30 { try await stage.expect(Payload.auth("u\(number)", reference: nil), .accepted) }
      try await stage.letPass(seconds: 5_000)
      for delay in delays {
        let task = Task { try await stage.registry.reconciliations.run(tenant: "acme") }
        for _ in 0..<delay { await Task.yield() }
        task.cancel()
        _ = await task.result
        let held = try await stage.texts(
          "SELECT run_id::text FROM registry.reconciliation_state WHERE run_id IS NOT NULL")
        #expect(held.isEmpty, "after \(delay) turns")
      }
      let run = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(run.outcome == .complete)
      let found = try await stage.openFindings()
      #expect(found.count == 30)
      let leftOver = try await stage.count("reconciliation_subject")
      #expect(leftOver == 0)
      let running = try await stage.texts("SELECT 1 FROM registry.reconciliation_run WHERE outcome = 'running'")
      #expect(running.isEmpty)
    }
  }

  /// Whoever fails after another has taken its run over ends nothing of the other's.
  @Test func whoHasLostItsRunDoesNotFailIt() async throws {
    try await withStage { stage in
      let reconciliations = stage.registry.reconciliations
      let id = TenantID.of(slug: "acme")
      var former = try #require(try await reconciliations.claim(id))
      _ = try await former.step()
      try await stage.letPass(seconds: 121)
      var heir = try #require(try await reconciliations.claim(id))
      #expect(heir.claim.runID == former.claim.runID && heir.claim.isBegun)
      await reconciliations.end(former, after: RegistryError(.internalFailure, "it could not go on"))
      let held = try await reconciliations.show(tenant: "acme", heir.claim.runID)
      #expect(held.outcome == .running && held.error == nil && held.finishedAt == nil, "\(held)")
      await expectError(.alreadyRunning) { _ = try await former.step() }
      while try await heir.step() == nil {}
      await reconciliations.end(former, after: RegistryError(.internalFailure, "it could not go on"))
      let run = try await reconciliations.show(tenant: "acme", heir.claim.runID)
      #expect(run.outcome == .complete && run.error == nil, "\(run)")
    }
  }

  /// The claim's answer may be lost after its commit; the repetition must find its own claim.
  @Test func aRepeatedClaimIsItsOwn() async throws {
    try await withStage { stage in
      let id = TenantID.of(slug: "acme")
      let lease = UUID.version7()
      var runs: Set<UUID> = []
      for _ in 1...2 {
        let work = try #require(try await stage.registry.reconciliations.claim(id, version: 0, leaseID: lease))
        runs.insert(work.claim.runID)
      }
      #expect(runs.count == 1)
      let other = try await stage.registry.reconciliations.claim(id)
      #expect(other == nil)
    }
  }

  @Test func anEventSignedInTheFutureIsStillExaminedWhenItsGraceIsOver() async throws {
    try await withStage { stage in
      let opened = try await stage.open("FITBIT")
      try await stage.expect(Delivery(Payload.auth(opened.session.userID ?? ""), at: 290), .accepted)
      try await stage.letPass(seconds: 880)
      let early = try await stage.reconcile()
      #expect(early.isEmpty)
      try await stage.letPass(seconds: 3_000)
      let found = try await stage.reconcile()
      #expect(found == ["event_without_callback \(opened.id.text)"])
    }
  }
}
