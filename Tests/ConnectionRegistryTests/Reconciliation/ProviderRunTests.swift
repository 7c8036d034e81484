@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
@testable import TerraSandbox
import TestDatabase
import Testing

/// Runs that ask Terra, over HTTP.
@Suite(.migratedDatabase) struct ProviderRunTests {
  @Test func aLostWebhookIsHealedByARun() async throws {
    try await withStage { stage in
      let lost = try await stage.sandbox.connectOutsideSession(
        tenant: "acme", referenceID: "person-1", resource: "GARMIN")
      let first = try await stage.provide()
      #expect(first.outcome == .complete && first.provider == "complete" && first.foundNew == 0, "\(first)")
      #expect(first.remarks.count == 1 && first.remarks[0].contains("first complete listing"))
      // Within the grace the webhook may still come; then the next run makes it good.
      try await stage.letPassWithListings(seconds: 700)
      let second = try await stage.provide(repair: .none)
      #expect(second.repaired == 0)
      try await stage.letPassWithListings(seconds: 700)
      let third = try await stage.provide()
      #expect(third.outcome == .complete && third.repaired == 1 && third.repair == .safe, "\(third)")
      let connection = try await stage.registry.connections.show(tenant: "acme", lost).connection
      #expect(connection.status == .active && connection.referenceID == "person-1" && connection.resource == "GARMIN")
      let findings = try await stage.registry.findings.list(
        tenant: "acme", filter: FindingFilter(statuses: [.repaired])
      ).items
      #expect(findings.map(\.kind) == [.missingLocally])
      let changes = try await stage.texts("SELECT to_status FROM registry.finding_change ORDER BY sequence")
      #expect(changes == ["open", "repaired"])
      let fourth = try await stage.provide()
      #expect(fourth.foundNew == 0 && fourth.persisting == 0 && fourth.repaired == 0, "\(fourth)")
    }
  }

  @Test(arguments: ListingFault.allCases)
  func aFaultOfTheListingEndsNothingAndFailsNoComparison(fault: ListingFault) async throws {
    try await withStage(StageSettings(slugs: ["acme", "globex"])) { stage in
      let ids = try await stage.connectAndImport(7, pageSize: 2)
      _ = try await stage.sandbox.connectOutsideSession(tenant: "globex", referenceID: "other", resource: "OURA")
      try await stage.visit("unknown-token", "user_id=u9")
      try await stage.update { $0.listingFault = fault }
      for _ in 0..<3 {
        try await stage.letPassWithListings(seconds: 7 * 3_600)
        let run = try await stage.provide()
        #expect(run.isDone, "\(fault): \(run)")
        #expect((run.outcome == .partial) == (run.provider == "incomplete"), "\(fault): \(run)")
        #expect(run.outcome == .complete || !run.remarks.isEmpty)
      }
      let live = try await stage.live()
      #expect(live.isSuperset(of: ids), "\(fault)")
      // What is recorded is compared whatever Terra answers.
      #expect(try await stage.openFindings().contains { $0.kind == .unknownAttempt })
    }
  }

  @Test func aDryRunWritesNothing() async throws {
    try await withStage { stage in
      let lost = try await stage.sandbox.connectOutsideSession(
        tenant: "acme", referenceID: "person-1", resource: "GARMIN")
      for _ in 0..<2 {
        _ = try await stage.provide(repair: .none)
        try await stage.letPassWithListings(seconds: 700)
      }
      _ = try await stage.provide(repair: .none)
      let before = try await stage.everything()
      let planned = try await stage.registry.reconciliations.rehearse(tenant: "acme", repair: .safe).repairs
      #expect(try await stage.everything() == before)
      #expect(planned.map(\.act) == [.confirmed] && planned.map(\.userID) == [lost])
      let run = try await stage.registry.reconciliations.run(tenant: "acme", repair: .safe)
      #expect(run.repaired == Int64(planned.count))
      #expect(try await stage.live() == [lost])
    }
  }

  @Test func aKeyRevokedInTheMiddleIsARemark() async throws {
    try await withStage { stage in
      let ids = try await stage.connectAndImport(5, pageSize: 2)
      try await stage.expect(Payload.auth("u-nobody", reference: nil), .accepted)
      try await stage.letPassWithListings(seconds: 7 * 3_600)
      var work = try #require(
        try await stage.impatient.claim(
          TenantID.of(slug: "acme"), scope: RunScope(asksProvider: true, repair: .safe)))
      var run = try await work.step()
      run = try await work.step()
      #expect(
        try await stage.texts("SELECT next_page::text FROM registry.provider_listing WHERE outcome = 'reading'") == [
          "1"
        ])
      try await stage.update { $0.apiKey = "another-key" }
      while run == nil { run = try await work.step() }
      let ended = try #require(run)
      #expect(ended.outcome == .partial && ended.provider == "incomplete", "\(ended)")
      #expect(ended.remarks.contains { $0.contains("could not be read beyond page 1") }, "\(ended.remarks)")
      #expect(ended.foundNew == 1, "the local pass has found what it could")
      #expect(try await stage.live().isSuperset(of: ids))
      // The window has moved: what was compared is not compared again.
      let next = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(next.windowStart != nil && next.outcome == .complete)
    }
  }

  @Test func aScheduledRunDoesWhatTheTenantsSettingsSay() async throws {
    try await withStage { stage in
      _ = try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "person-1", resource: "GARMIN")
      let off = try await stage.scheduled(.seconds(6 * 3_600), providerEvery: .zero)
      #expect(off.provider == nil && off.repair == .none)
      var change = TenantChange()
      change.providerEvery = .seconds(3_600)
      change.repair = .safe
      let tenant = try await stage.registry.tenants.update("acme", change)
      #expect(tenant.providerEverySeconds == 3_600 && tenant.repair == .safe)
      var providers: [String?] = []
      var repaired: Int64 = 0
      for _ in 0..<5 {
        let run = try await stage.scheduled(nil)
        providers.append(run.provider)
        repaired += run.repaired
        try await stage.letPassWithListings(seconds: 1_300)
      }
      #expect(providers == ["complete", nil, nil, "complete", nil])
      #expect(repaired == 1)
      change = TenantChange()
      change.shadow = true
      _ = try await stage.registry.tenants.update("acme", change)
      #expect(try await stage.scheduled(nil).repair == .none)
      await expectError(.shadowMode) { _ = try await stage.provide() }
    }
  }
}

extension Stage {
  /// The comparisons, without the pauses that Terra asks for.
  var impatient: Reconciliations {
    var reconciliations = registry.reconciliations
    reconciliations.pause = { _ in }
    return reconciliations
  }

  func provide(repair: RepairMode = .safe) async throws -> ReconciliationRun {
    try await impatient.run(tenant: slug, asksProvider: true, repair: repair)
  }

  /// One run as the schedule makes it.
  fileprivate func scheduled(_ every: Duration?, providerEvery: Duration? = nil) async throws -> ReconciliationRun {
    if let providerEvery {
      var change = TenantChange()
      change.providerEvery = providerEvery
      _ = try await registry.tenants.update(slug, change)
    }
    var work = try #require(
      try await impatient.claim(TenantID.of(slug: slug), scope: .scheduled))
    while true {
      if let run = try await work.step() { return run }
    }
  }

  /// Every row of every table of the registry.
  func everything() async throws -> [String] {
    var rows: [String] = []
    for table in try await texts(
      "SELECT tablename::text FROM pg_tables WHERE schemaname = 'registry' ORDER BY 1")
    {
      rows += try await texts("SELECT '\(table) ' || t::text FROM registry.\(table) t ORDER BY 1")
    }
    return rows
  }
}
