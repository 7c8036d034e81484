@testable import ConnectionRegistry
import Foundation
import Logging
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
import RegistrySQL
@testable import TerraSandbox
import TestDatabase
import Testing

/// A run reads a listing of its own, in its own name, and keeps its place as long as it asks.
@Suite(.migratedDatabase) struct OwnListingTests {
  private static let tenant = TenantID.of(slug: "acme")

  /// Each step is a slice of its own.
  private static func scheduler(_ stage: Stage) -> ReconciliationScheduler {
    var scheduler = ReconciliationScheduler(
      reconciliations: stage.impatient, schedule: stage.impatient.schedule(.asked), logger: Logger(label: "test"))
    scheduler.sliceBudget = .zero
    return scheduler
  }

  @Test func aRunTakesNoOtherRunsListingForItsOwn() async throws {
    try await withStage { stage in
      _ = try await stage.connectAndImport(7, pageSize: 2)
      let before = try await stage.count("provider_listing WHERE outcome = 'complete'")
      var asked: [UUID] = []
      for _ in 0..<2 {
        asked.append(try await stage.registry.reconciliations.ask(tenant: "acme", asksProvider: true).runID)
      }
      let scheduler = Self.scheduler(stage)
      while try await scheduler.turn() == nil {}
      for id in asked {
        let run = try await stage.registry.reconciliations.show(tenant: "acme", id)
        #expect(run.outcome == .complete && run.provider == "complete", "\(run)")
      }
      #expect(try await stage.count("provider_listing WHERE outcome = 'complete'") == before + 2)
      #expect(try await stage.count("provider_listing WHERE outcome = 'reading'") == 0)
      let own = try await stage.texts(
        "SELECT DISTINCT l.pages::text || l.listing_id FROM registry.reconciliation_run r JOIN registry.provider_listing l USING (tenant_id, listing_id)"
      )
      #expect(own.count == 2 && own.allSatisfy { $0.hasPrefix("4") }, "\(own)")
    }
  }

  @Test func aReadingThatGrewTooOldWithinARunIsBegunAnew() async throws {
    try await withStage { stage in
      _ = try await stage.connectAndImport(7, pageSize: 2)
      let asked = try await stage.registry.reconciliations.ask(tenant: "acme", asksProvider: true).runID
      let isOld = NIOLockedValueBox(false)
      var scheduler = Self.scheduler(stage)
      let reading = NIOLockedValueBox(0)
      scheduler.observe = { _ in reading.withLockedValue { $0 += 1 } }
      while try await scheduler.turn() == nil {
        // Begun, and two pages read.
        guard reading.withLockedValue({ $0 }) >= 3, !isOld.withLockedValue({ $0 }) else { continue }
        isOld.withLockedValue { $0 = true }
        #expect(try await stage.count("provider_listing WHERE outcome = 'reading'") == 1)
        try await stage.letPassWithListings(seconds: 7 * 3_600)
      }
      let run = try await stage.registry.reconciliations.show(tenant: "acme", asked)
      #expect(isOld.withLockedValue { $0 } && run.outcome == .complete && run.provider == "complete", "\(run)")
      #expect(try await stage.count("provider_listing WHERE outcome = 'given_up'") == 1)
    }
  }

  private struct Broken: Error {}

  @Test func anErrorWhileForgettingReadsNoListingAgain() async throws {
    try await withStage { stage in
      _ = try await stage.connectAndImport(3)
      try await stage.listTwice()
      let executor = stage.interfering(at: "provider_listing_forgettable") { throw Broken() }
      await #expect(throws: Broken.self) {
        _ = try await stage.reconciliations(through: executor).run(tenant: "acme", asksProvider: true)
      }
      let said = try await stage.texts(
        "SELECT concat_ws(' ', r.outcome, r.provider, s.provider_at IS NOT NULL) FROM registry.reconciliation_run r JOIN registry.reconciliation_state s USING (tenant_id) WHERE r.asks_provider"
      )
      #expect(said == ["failed complete t"])
    }
  }

  /// A page whose run was taken over while Terra answered is nobody's any more.
  @Test func aPageThatComesAfterTheRunWasTakenOverIsNotKept() async throws {
    try await withStage { stage in
      let ids = try await stage.connectAndImport(5)
      try await stage.letPassWithListings(seconds: 3_600)
      let clock = JumpingClock()
      let heir = clock.hold(stage.impatient)
      let isOver = NIOLockedValueBox(false)
      let executor = stage.interfering(at: "provider_listing_keep") {
        let wasOver = isOver.withLockedValue { isOver in
          defer { isOver = true }
          return isOver
        }
        if wasOver { return }
        try await stage.sandbox.deauthenticate(tenant: "acme", userID: ids[0])
        clock.jump(121)
        let run = try await heir.run(tenant: "acme", asksProvider: true)
        #expect(run.provider == "complete", "\(run)")
      }
      let first = clock.hold(stage.reconciliations(through: executor))
      await expectError(.alreadyRunning) { _ = try await first.run(tenant: "acme", asksProvider: true) }
      let listed = try await stage.texts(
        "SELECT u.user_id FROM registry.provider_listing_user u WHERE u.listing_id = (\(Self.last)) ORDER BY 1")
      #expect(listed == ids.dropFirst().sorted())
    }
  }

  /// A fault that comes after the run was taken over gives up nothing of the heir's.
  @Test func aFaultThatComesAfterTheRunWasTakenOverGivesNothingUp() async throws {
    try await withStage { stage in
      _ = try await stage.connectAndImport(5, pageSize: 2)
      try await stage.letPassWithListings(seconds: 3_600)
      let clock = JumpingClock()
      let heir = clock.hold(stage.impatient)
      try await stage.update { $0.listingFault = .skipsPage }
      let executor = stage.interfering(at: "provider_listing_end") {
        try await stage.update { $0.listingFault = nil }
        clock.jump(121)
        let scope = RunScope(asksProvider: true, repair: RepairMode.none)
        var work = try #require(try await heir.claim(Self.tenant, scope: scope))
        _ = try await work.step()
      }
      let first = clock.hold(stage.reconciliations(through: executor))
      await expectError(.alreadyRunning) { _ = try await first.run(tenant: "acme", asksProvider: true) }
      #expect(try await stage.count("provider_listing WHERE outcome = 'reading' AND next_page = 1") == 1)
      clock.jump(121)
      let run = try await heir.run(tenant: "acme", asksProvider: true)
      #expect(run.outcome == .complete && run.provider == "complete", "\(run)")
    }
  }

  private static let last =
    "SELECT l.listing_id FROM registry.provider_listing l WHERE l.outcome = 'complete' ORDER BY l.started_at DESC LIMIT 1"

  /// Time stands still, so that each further question has to wait a second longer.
  @Test func aSliceBeginsNoBudgetOfItsOwn() async throws {
    try await withStage { stage in
      _ = try await stage.connectAndImport(9, pageSize: 2)
      _ = try await stage.registry.reconciliations.ask(tenant: "acme", asksProvider: true)
      let waits = NIOLockedValueBox<[Double]>([])
      var runs = stage.registry.reconciliations
      runs.questionsPerSecond = 1
      runs.pause = { wait in waits.withLockedValue { $0.append(wait.inSeconds) } }
      let begun = ContinuousClock.now
      var scheduler = ReconciliationScheduler(
        reconciliations: runs, schedule: runs.schedule(.asked), logger: Logger(label: "test"))
      scheduler.sliceBudget = .zero
      while try await scheduler.turn() == nil {}
      let passed = (ContinuousClock.now - begun).inSeconds
      let places = waits.withLockedValue { $0 }
      let isKept = places.last.map { $0 > 4 - passed - 0.1 } ?? (passed > 1)
      #expect(places.count <= 4 && isKept, "\(places) in \(passed) s")
      #expect(try await stage.count("provider_listing WHERE outcome = 'complete' AND pages = 5") == 2)
    }
  }

  /// Each answer takes its whole deadline, and Terra asks for the longest pause after each.
  @Test func aRunKeepsItsLeaseHoweverOftenTerraHasToBeAsked() async throws {
    try await withStage { stage in
      _ = try await stage.connectAndImport(5, pageSize: 2)
      try await stage.update { $0.listingFault = .serverError }
      let clock = JumpingClock()
      let rival = clock.hold(stage.registry.reconciliations)
      let pauses = NIOLockedValueBox(0)
      var patient = clock.hold(stage.registry.reconciliations)
      patient.pause = { _ in
        clock.jump((TerraQuestions.longestPause + Reconciliations.questionDeadline).inSeconds)
        pauses.withLockedValue { $0 += 1 }
        let taken = try await rival.claim(Self.tenant)
        #expect(taken == nil, "another took the run over")
      }
      let run = try await patient.run(tenant: "acme", asksProvider: true)
      #expect(run.outcome == .partial && run.provider == "incomplete", "\(run)")
      #expect(pauses.withLockedValue { $0 } >= TerraQuestions.maximumTries - 1)
    }
  }
}
