@testable import ConnectionRegistry
import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOHTTP1
import RegistryPostgres
import TestDatabase
import Testing

/// Runs that somebody asks for and does not wait for.
@Suite(.migratedDatabase) struct AskedRunTests {
  private static func scheduler(_ reconciliations: Reconciliations) -> ReconciliationScheduler {
    ReconciliationScheduler(
      reconciliations: reconciliations, schedule: reconciliations.schedule(.asked), logger: Logger(label: "test"))
  }

  /// Works until nobody is due.
  private static func work(_ scheduler: ReconciliationScheduler) async throws {
    while try await scheduler.turn() == nil {}
  }

  private static func run(_ stage: Stage, _ id: UUID) async throws -> ReconciliationRun {
    try await stage.registry.reconciliations.show(tenant: "acme", id)
  }

  @Test func aRunIsAskedForOverHTTPAndDoneByTheSchedule() async throws {
    try await withHTTP { http in
      let key = try await http.key(.findingsWrite, .findingsRead)
      try await http.stage.visit("AAAAAAAAAAAAAAAAAAAAAA", "user_id=u9")
      let asked = try await http.send("POST", "/v1/reconciliations", key: key, json: #"{"provider":true}"#)
      #expect(asked.status == 202 && asked.text("outcome") == "queued", "\(asked.text)")
      let location = try #require(asked.headers.first(name: "Location"))
      #expect(try await http.send("GET", location, key: key).text("outcome") == "queued")
      try await Self.work(Self.scheduler(http.stage.registry.reconciliations))
      let done = try await http.send("GET", location, key: key)
      #expect(done.text("outcome") == "complete" && done.text("provider") == "complete", "\(done.text)")
      #expect(
        try await http.items("/v1/findings", key: key).compactMap { $0["kind"] as? String } == ["unknown_attempt"])
      #expect(
        try await http.stage.texts("SELECT 1::text FROM registry.reconciliation_state WHERE asked_at IS NOT NULL") == []
      )
    }
  }

  @Test func asManyAsMayWaitInTheOrderInWhichTheyWereAskedFor() async throws {
    try await withStage { stage in
      let reconciliations = stage.registry.reconciliations
      var asked: [UUID] = []
      for number in 0..<Reconciliations.maximumQueued {
        asked.append(
          try await reconciliations.ask(tenant: "acme", isFull: number == 1, asksProvider: number == 2).runID)
      }
      await expectError(.limitReached) { _ = try await reconciliations.ask(tenant: "acme") }
      // Whoever runs the tenant at once does not take one of them.
      #expect(try await !asked.contains(reconciliations.run(tenant: "acme").runID))
      var done: [UUID] = []
      var scheduler = Self.scheduler(reconciliations)
      let seen = NIOLockedValueBox<[UUID]>([])
      scheduler.observe = { slice in if slice.run != nil { seen.withLockedValue { $0.append(slice.runID) } } }
      try await Self.work(scheduler)
      done = seen.withLockedValue { $0 }
      #expect(done == asked)
      for (number, id) in asked.enumerated() {
        let run = try await Self.run(stage, id)
        #expect(run.outcome == .complete && (run.provider == "complete") == (number == 2), "\(run)")
        #expect((run.windowStart == nil) == (number == 1), "\(run)")
      }
    }
  }

  @Test func aRunThatIsAskedForDoesNotTakeTheScheduledOnesPlace() async throws {
    try await withStage { stage in
      let reconciliations = stage.registry.reconciliations
      _ = try await reconciliations.run(tenant: "acme")
      let due = Date().addingTimeInterval(-60)
      try await stage.owner.execute(
        "UPDATE registry.reconciliation_state SET due_at = $1::timestamptz, place_at = $1", [.timestamp(due)])
      let asked = try await reconciliations.ask(tenant: "acme").runID
      var scheduler = ReconciliationScheduler(
        reconciliations: reconciliations, schedule: reconciliations.schedule(.every(900)),
        logger: Logger(label: "test"))
      let seen = NIOLockedValueBox<[UUID]>([])
      scheduler.observe = { slice in if slice.run != nil { seen.withLockedValue { $0.append(slice.runID) } } }
      while try await scheduler.turn() == nil {}
      let runs = seen.withLockedValue { $0 }
      #expect(runs.count == 2 && runs.first == asked, "\(runs)")
      let next = try #require(try await reconciliations.places().first?.dueAt)
      #expect(next > Date())
    }
  }

  @Test func aPausedTenantsRunIsDoneAndADisabledOnesIsNot() async throws {
    try await withStage { stage in
      let reconciliations = stage.registry.reconciliations
      try await reconciliations.pause(tenant: "acme", by: "ann", reason: "quiet")
      let scheduler = Self.scheduler(reconciliations)
      let first = try await reconciliations.ask(tenant: "acme").runID
      try await Self.work(scheduler)
      #expect(try await Self.run(stage, first).outcome == .complete)
      let second = try await reconciliations.ask(tenant: "acme").runID
      try await stage.owner.execute("UPDATE registry.tenant SET disabled_at = now()")
      try await Self.work(scheduler)
      #expect(
        try await stage.texts("SELECT outcome FROM registry.reconciliation_run WHERE run_id = $1", [.uuid(second)])
          == ["queued"])
    }
  }

  @Test func inShadowModeNothingIsRepairedAndTheRestIsDone() async throws {
    try await withHTTP { http in
      var change = TenantChange()
      change.shadow = true
      _ = try await http.stage.registry.tenants.update("acme", change)
      let key = try await http.key(.findingsWrite)
      let refused = try await http.send("POST", "/v1/reconciliations", key: key, json: #"{"repair":"safe"}"#)
      #expect(refused.status == 409 && refused.code == "shadow_mode", "\(refused.text)")
      #expect(try await http.send("POST", "/v1/reconciliations", key: key, json: "{}").status == 202)
      let unknown = try await http.send("POST", "/v1/reconciliations", key: key, json: #"{"repair":"all"}"#)
      #expect(unknown.status == 400 && unknown.text("field") == "repair", "\(unknown.text)")
    }
  }

  /// A process that dies after any statement loses no run that was asked for: another ends the same one.
  @Test(.timeLimit(.minutes(20))) func killedAtAnyStatementTheRunIsEndedByAnother() async throws {
    try await withStage { stage in
      try await stage.visit("AAAAAAAAAAAAAAAAAAAAAA", "user_id=u9")
      let now = Date()
      var statements = 0
      var kills = 0
      while true {
        let id = try await stage.registry.reconciliations.ask(tenant: "acme").runID
        let victim = KilledRunTests.mortal(
          stage, statements: statements, at: now.addingTimeInterval(Double(kills) * 300))
        do {
          try await Self.work(Self.scheduler(victim.reconciliations))
        } catch {}
        if try await Self.run(stage, id).outcome == .complete { break }
        kills += 1
        let heir = KilledRunTests.mortal(stage, statements: .max, at: now.addingTimeInterval(Double(kills) * 300))
        try await Self.work(Self.scheduler(heir.reconciliations))
        let run = try await Self.run(stage, id)
        #expect(run.outcome == .complete, "killed after statement \(statements): \(run)")
        statements += 1
      }
      #expect(kills > 20)
      #expect(try await stage.texts("SELECT DISTINCT outcome FROM registry.reconciliation_run") == ["complete"])
    }
  }

  /// A process that waits for its schedule begins at once where it is asked.
  @Test(arguments: [1, 3]) func theScheduleOfTheProcessThatIsAskedIsWoken(tenantsAtOnce: Int) async throws {
    try await withStage { stage in
      let (waits, waiting) = AsyncStream.makeStream(of: Void.self)
      let (runs, ended) = AsyncStream.makeStream(of: UUID.self)
      var reconciliations = stage.registry.reconciliations
      reconciliations.tenantsAtOnce = tenantsAtOnce
      reconciliations.clock.sleep = { _ in
        waiting.yield()
        // Only the wake, which cancels the wait, ends it.
        for await _ in AsyncStream<Void>(bufferingPolicy: .unbounded, { _ in }) {}
        try Task.checkCancellation()
      }
      var scheduler = Self.scheduler(reconciliations)
      scheduler.observe = { slice in if slice.run != nil { ended.yield(slice.runID) } }
      let work = Task { [scheduler] in try await scheduler.run() }
      var begun = waits.makeAsyncIterator()
      for _ in 0..<tenantsAtOnce { _ = await begun.next() }
      let id = try await reconciliations.ask(tenant: "acme").runID
      var over = runs.makeAsyncIterator()
      #expect(await over.next() == id)
      work.cancel()
      _ = await work.result
    }
  }
}
