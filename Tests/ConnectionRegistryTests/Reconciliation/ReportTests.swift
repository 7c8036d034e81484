@testable import ConnectionRegistry
import Foundation
import RegistryModel
import TestDatabase
import Testing

/// What a report counts.
@Suite(.migratedDatabase) struct ReportTests {
  /// One session goes all the way, one browser comes back without an event, one session is left alone, one connection ends.
  private static func history(_ stage: Stage) async throws {
    let all = try await stage.open("FITBIT")
    let user = try #require(all.session.userID)
    try await stage.visit(all.token, "user_id=\(user)")
    try await stage.expect(Payload.auth(user), .accepted)
    let unheard = try await stage.open("FITBIT")
    try await stage.visit(unheard.token, "user_id=\(try #require(unheard.session.userID))")
    _ = try await stage.open("OURA")
    let ended = try await stage.open("GARMIN")
    let gone = try #require(ended.session.userID)
    try await stage.expect(Payload.auth(gone, resource: "GARMIN"), .accepted)
    try await stage.expect(Payload.deauth(gone), .accepted)
  }

  @Test func sessionsAreCountedAsFarAsTheyCame() async throws {
    try await withStage { stage in
      try await Self.history(stage)
      let report = try await stage.registry.reconciliations.report(tenant: "acme")
      #expect(
        report.funnel == [
          .init(resource: "FITBIT", sessions: 2, returned: 2, confirmed: 1, live: 1),
          .init(resource: "GARMIN", sessions: 1, returned: 0, confirmed: 1, live: 0),
          .init(resource: "OURA", sessions: 1, returned: 0, confirmed: 0, live: 0),
        ])
      #expect(report.latency.count == 1 && report.latency.buckets.map(\.count).reduce(0, +) == 1)
      #expect(report.latency.p50Seconds.map { (0..<60).contains($0) } == true)
      #expect(report.run == nil && report.comparison == nil && report.findings.isEmpty)
      let later = try await stage.registry.reconciliations.report(tenant: "acme", since: Date().addingTimeInterval(60))
      #expect(later.funnel.isEmpty && later.latency.count == 0 && later.latency.p50Seconds == nil)
    }
  }

  @Test func runsAreComparedByWhatStoodAtTheirEnds() async throws {
    try await withStage { stage in
      let runs = stage.registry.reconciliations
      try await Self.history(stage)
      let before = try await runs.run(tenant: "acme")
      try await stage.letPass(seconds: 100_000)
      let found = try await runs.run(tenant: "acme")
      let stands = try await runs.report(tenant: "acme", found.runID, comparedWith: before.runID)
      let counts = try #require(stands.comparison)
      #expect(!counts.isEmpty && counts.allSatisfy { $0.new > 0 && $0.persisting == 0 && $0.resolved == 0 })
      #expect(counts.reduce(0) { $0 + $1.new } == found.foundNew)
      #expect(stands.findings.reduce(0) { $0 + $1.count } == found.foundNew)
      #expect(stands.run?.runID == found.runID && stands.comparedWith?.runID == before.runID)
      let same = try await runs.report(tenant: "acme", comparedWith: found.runID)
      #expect(same.comparison?.allSatisfy { $0.new == 0 && $0.persisting > 0 && $0.resolved == 0 } == true)
      await expectError(.invalidRequest) {
        _ = try await runs.report(tenant: "acme", before.runID, comparedWith: found.runID)
      }
      await expectError(.notFound) { _ = try await runs.report(tenant: "acme", UUID()) }
    }
  }
}
