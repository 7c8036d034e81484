@testable import ConnectionRegistry
import Foundation
import Logging
import TestDatabase
import Testing

/// Who is paused, and what a pass of the schedule does then.
@Suite(.migratedDatabase) struct PausedTenantTests {
  /// Lets the schedule work until nobody is due any more.
  private static func pass(_ stage: Stage) async throws {
    let reconciliations = stage.registry.reconciliations
    var scheduler = ReconciliationScheduler(
      reconciliations: reconciliations, schedule: reconciliations.schedule(.every(900)), logger: Logger(label: "test"))
    scheduler.scope = .local
    while try await scheduler.turn() == nil {}
  }

  /// Whom the passes have run, and what was missed.
  private static func runs(_ stage: Stage) async throws -> [String] {
    try await stage.texts(
      """
      SELECT concat_ws(' ', t.slug, r.outcome, r.missed) FROM registry.reconciliation_run r
      JOIN registry.tenant t ON t.tenant_id = r.tenant_id ORDER BY t.slug, r.started_at
      """)
  }

  @Test func aPausedTenantGetsNoRunsAndOneAtOnceWhenItIsResumed() async throws {
    try await withStage(StageSettings(slugs: ["acme", "globex"])) { stage in
      let reconciliations = stage.registry.reconciliations
      try await stage.letPass(seconds: 1_000)
      try await Self.pass(stage)
      #expect(try await Self.runs(stage).map { $0.prefix(13) } == ["acme complete", "globex comple"])
      try await reconciliations.pause(tenant: "acme", by: "ann", reason: "it moves")
      for _ in 0..<3 {
        try await stage.letPass(seconds: 1_000)
        try await Self.pass(stage)
      }
      let paused = try await Self.runs(stage)
      #expect(paused.count { $0.hasPrefix("globex complete") } == 4 && paused.count == 5, "\(paused)")
      // Due at once, and what fell into the pause was not missed.
      try await reconciliations.resume(tenant: "acme")
      try await Self.pass(stage)
      let resumed = try await Self.runs(stage)
      #expect(resumed.count == 6 && resumed.dropFirst().first == "acme complete 0", "\(resumed)")
    }
  }
}
