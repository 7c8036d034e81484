@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
import RegistrySQL
@testable import TerraSandbox
import TestDatabase
import TestRandom
import Testing

/// A listing that was read to its end, held against the connections slice by slice.
@Suite(.migratedDatabase) struct ListingComparisonTests {
  private static let tenant = TenantID.of(slug: "acme")

  /// Two listings and connections, some ids in the one, the other or both, in every state; the first listing is whole.
  private static func fill(_ stage: Stage, seed: Double) async throws -> (first: UUID, second: UUID) {
    let (first, second) = (UUID.version7(), UUID.version7())
    for (listing, hours, outcome) in [(first, 2.0, "complete"), (second, 1.0, "reading")] {
      try await stage.owner.execute(
        """
        INSERT INTO registry.provider_listing (tenant_id, listing_id, started_at, asked_at, outcome, finished_at)
        SELECT $1, $2, t.at, t.at, $4, CASE WHEN $4 = 'complete' THEN t.at END
        FROM (VALUES (now() - make_interval(hours => $3::integer))) t (at)
        """, [.uuid(tenant), .uuid(listing), .text(String(Int(hours))), .text(outcome)])
    }
    let statements = [
      PostgresStatement("SELECT setseed($1)", [.double(seed)]),
      PostgresStatement(
        """
        INSERT INTO registry.provider_listing_user (tenant_id, listing_id, user_id, reference_id, resource, active,
          conflicting, asked_at)
        SELECT l.tenant_id, l.listing_id, chr(65 + i % 50) || i, CASE WHEN random() < 0.9 THEN 'p' || i ELSE 'q' END,
          CASE WHEN random() < 0.9 THEN 'FITBIT' ELSE 'OURA' END, random() < 0.9, random() < 0.1, l.started_at
        FROM registry.provider_listing l, generate_series(1, 300) i WHERE random() < 0.7
        """),
      PostgresStatement(
        """
        INSERT INTO registry.connection (tenant_id, user_id, auth_key, alive_key, correction_key, correction_verdict,
          revoked_key, reference_key, reference_id, resource_key, resource, recorded_at, changed_at)
        SELECT $1, chr(65 + r.i % 50) || r.i, r.k, CASE WHEN r.n < 0.6 THEN r.k END, CASE WHEN r.n >= 0.6 THEN r.k END,
          CASE WHEN r.n >= 0.6 THEN 'alive' END, CASE WHEN r.n > 0.9 THEN '0000000000000002:5:a' END, r.k, 'p' || r.i, r.k,
          'FITBIT', r.at, r.at
        FROM (SELECT i, random() AS n, '0000000000000001:4:a' AS k, now() - random() * interval '6 hours' AS at
              FROM generate_series(1, 300) i WHERE random() < 0.8) r
        """, [.uuid(tenant)]),
    ]
    _ = try await stage.owner.execute(PostgresBatch(statements: statements))
    return (first, second)
  }

  @Test func manySlicesSayWhatOneSays() async throws {
    try await withStage { stage in
      let seed = Double(TestSeed.take() % 1_000) / 1_000
      let (first, second) = try await Self.fill(stage, seed: seed)
      let database = stage.registry.database
      func comparison(_ slice: Int) -> ListingComparison {
        ListingComparison(tenantID: Self.tenant, listing: second, slice: slice) {
          try await database.run(Self.tenant, compiles: false, $0)
        }
      }
      func differences() async throws -> [String] {
        try await stage.texts("SELECT d::text FROM registry.provider_difference d ORDER BY 1")
      }
      let whole = try await comparison(1_000_000).assess()
      #expect(whole.listed > 100 && whole.live > whole.signed && whole.signed > whole.confirmed, "\(whole)")
      #expect(whole.absentOnce > whole.absentTwice && whole.absentTwice > 0 && whole.listingsBefore == 1, "\(whole)")
      try await comparison(1_000_000).collect()
      let expected = try await differences()
      #expect(expected.count > 50)
      for slice in [1, 2, 7, 100] {
        #expect(try await comparison(slice).assess() == whole, "slices of \(slice), seed \(seed)")
        // Again beside what is there, as by whoever goes on; and anew.
        try await comparison(slice).collect()
        #expect(try await differences() == expected, "slices of \(slice), seed \(seed)")
        try await stage.owner.execute("DELETE FROM registry.provider_difference")
        try await comparison(slice).collect()
        #expect(try await differences() == expected, "slices of \(slice), seed \(seed)")
      }
      // What nobody needs goes, whatever the slices, and nothing else.
      try await stage.owner.execute(
        "UPDATE registry.provider_listing SET outcome = 'given_up' WHERE listing_id = $1", [.uuid(first)])
      try await OldListings(tenantID: Self.tenant, slice: 3) {
        try await database.run(Self.tenant, compiles: false, $0)
      }.forget()
      let left = try await stage.texts("SELECT DISTINCT listing_id::text FROM registry.provider_listing_user")
      #expect(left == [second.text])
      #expect(try await stage.count("provider_listing_user") == whole.listed)
    }
  }

  @Test func whatAListingDiffersInIsCollectedAndForgottenInSlices() async throws {
    try await withStage { stage in
      let (first, second) = try await Self.fill(stage, seed: 0.5)
      let database = stage.registry.database
      let run: @Sendable ([BoundStatement]) async throws -> [PostgresResult] = {
        try await database.run(Self.tenant, compiles: false, $0)
      }
      for listing in [first, second] {
        try await ListingComparison(tenantID: Self.tenant, listing: listing, slice: 1_000, run: run).collect()
      }
      try await stage.owner.execute(
        "UPDATE registry.provider_listing SET outcome = 'complete', finished_at = started_at WHERE listing_id = $1",
        [.uuid(second)])
      // A part of them is older.
      try await stage.owner.execute(
        "UPDATE registry.provider_difference SET since = since - interval '5 hours' WHERE user_id < 'T'")
      func collected(_ slice: Int, hours: Double) async throws -> [String] {
        let runID = UUID.version7()
        let listed = ListingSubjects(tenantID: Self.tenant, runID: runID, start: Date() - hours * 3_600)
        try await IDSlices(slice: slice, run: run).each(ending: listed.end(after:size:)) {
          _ = try await run([listed.collect(after: $0, until: $1)])
        }
        return try await stage.texts(
          "SELECT subject FROM registry.reconciliation_subject WHERE run_id = $1 AND family = 'listing' ORDER BY 1",
          [.uuid(runID)])
      }
      let all = try await stage.texts(
        "SELECT user_id FROM registry.provider_difference WHERE listing_id = $1 ORDER BY 1", [.uuid(second)])
      // Finished in the window: all of it. Later: what differs since then.
      for slice in [1, 7, 1_000_000] {
        #expect(try await collected(slice, hours: 1.5) == all, "slices of \(slice)")
        #expect(try await collected(slice, hours: 0.5).isEmpty, "slices of \(slice)")
      }
      try await stage.owner.execute(
        "UPDATE registry.provider_listing SET finished_at = finished_at - interval '9 hours'")
      let young = try await stage.texts(
        "SELECT user_id FROM registry.provider_difference WHERE listing_id = $1 AND since > now() - interval '90 minutes' ORDER BY 1",
        [.uuid(second)])
      #expect(!young.isEmpty && young.count < all.count)
      for slice in [1, 7, 1_000_000] { #expect(try await collected(slice, hours: 1.5) == young, "slices of \(slice)") }
      let statements = NIOLockedValueBox(0)
      try await OldListings(tenantID: Self.tenant, slice: 3) { bound in
        statements.withLockedValue { $0 += bound.count { $0.named.name == "provider_difference_forget" } }
        return try await run(bound)
      }.forget()
      let left = try await stage.texts("SELECT DISTINCT listing_id::text FROM registry.provider_difference")
      #expect(left == [second.text] && statements.withLockedValue { $0 } > 2)
    }
  }

  /// Two listings lack one of many connections, and hold one that is not known.
  private static func disagree(_ stage: Stage) async throws -> (absent: String, unknown: String) {
    let ids = try await stage.connectAndImport(12)
    try await stage.sandbox.deauthenticate(tenant: stage.slug, userID: ids[2])
    let unknown = try await stage.sandbox.connectOutsideSession(
      tenant: stage.slug, referenceID: "person-x", resource: "GARMIN", account: "account-x")
    try await stage.listTwice()
    try await stage.letPassWithListings(seconds: 7 * 3_600)
    return (ids[2], unknown)
  }

  private static func expectFindings(_ stage: Stage, _ absent: String, _ unknown: String) async throws {
    let found = try await stage.openFindings().map { "\($0.reasonCode) \($0.subject.id) \($0.timesOpened)" }
    #expect(found.sorted() == ["absent_in_two_listings \(absent) 1", "unknown_here \(unknown) 1"], "\(found)")
  }

  /// Each slice takes a good part of a lease, all of them together several.
  @Test func aRunKeepsItsLeaseHoweverLongItsComparisonTakes() async throws {
    try await withStage { stage in
      let (absent, unknown) = try await Self.disagree(stage)
      let clock = JumpingClock()
      let rival = clock.hold(stage.registry.reconciliations)
      let slices = NIOLockedValueBox(0)
      let executor = stage.interfering(at: "provider_listing_slice") {
        clock.jump(50)
        slices.withLockedValue { $0 += 1 }
        let taken = try await rival.claim(Self.tenant)
        #expect(taken == nil, "another took the run over")
      }
      let run = try await clock.hold(stage.reconciliations(through: executor)).run(tenant: "acme", asksProvider: true)
      #expect(run.outcome == .complete && run.provider == "complete", "\(run)")
      #expect(slices.withLockedValue { $0 } > 6)
      try await Self.expectFindings(stage, absent, unknown)
    }
  }

  @Test(arguments: [
    "provider_listing_assess", "provider_difference_collect", "provider_listing_end", "provider_listing_forgettable",
    "provider_listing_forget_users",
  ])
  func aRunTakenOverInTheMiddleOfItsComparisonLeavesNothingWrong(at statement: String) async throws {
    try await withStage { stage in
      let (absent, unknown) = try await Self.disagree(stage)
      let clock = JumpingClock()
      let heir = clock.hold(stage.registry.reconciliations)
      let times = NIOLockedValueBox(0)
      let executor = stage.interfering(at: statement) {
        // In the second slice, where there are several.
        let time = times.withLockedValue { times in
          times += 1
          return times
        }
        let isOnce = statement == "provider_listing_end" || statement == "provider_listing_forgettable"
        guard time == (isOnce ? 1 : 2) else { return }
        clock.jump(121)
        let run = try await heir.run(tenant: "acme", asksProvider: true)
        #expect(run.outcome == .complete && run.provider == "complete", "\(run)")
      }
      let first = clock.hold(stage.reconciliations(through: executor))
      await expectError(.alreadyRunning) { _ = try await first.run(tenant: "acme", asksProvider: true) }
      try await Self.expectFindings(stage, absent, unknown)
      let runs = try await stage.texts(
        "SELECT outcome || coalesce(provider, '') FROM registry.reconciliation_run ORDER BY started_at DESC LIMIT 1")
      #expect(runs == ["completecomplete"])
      #expect(try await stage.count("reconciliation_run WHERE outcome IN ('running', 'failed')") == 0)
      #expect(try await stage.count("provider_listing WHERE outcome = 'reading'") == 0)
      let strays = try await stage.count(
        "provider_difference d JOIN registry.provider_listing l USING (tenant_id, listing_id) WHERE l.listing_id <> (SELECT k.listing_id FROM registry.provider_listing k WHERE k.outcome = 'complete' ORDER BY k.started_at DESC LIMIT 1)"
      )
      #expect(strays == 0)
      let next = try await heir.run(tenant: "acme", asksProvider: true)
      #expect(next.outcome == .complete && next.foundNew == 0 && next.resolved == 0, "\(next)")
    }
  }
}
