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

/// A dry run says what the run then does, and leaves nothing behind.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct RehearsalTests {
  private static var rounds: Int { ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1" ? 60 : 2 }

  /// Rehearses, then runs, and compares.
  @discardableResult
  private static func both(
    _ stage: Stage, isFull: Bool = false, asksProvider: Bool = false, repair: RepairMode = .none,
    _ comment: Comment? = nil
  ) async throws -> (rehearsal: Rehearsal, run: ReconciliationRun) {
    let before = try await stage.everything()
    let rehearsal = try await stage.registry.reconciliations.rehearse(
      tenant: stage.slug, isFull: isFull, asksProvider: asksProvider, repair: repair, includingOperators: true)
    // Which, not all: the lists are long.
    let left = try await Set(stage.everything()).symmetricDifference(before)
    #expect(left.isEmpty, "the dry run has left \(left.first ?? "")")
    let run = try await stage.registry.reconciliations.run(
      tenant: stage.slug, isFull: isFull, asksProvider: asksProvider, repair: repair)
    let told = try await stage.texts(
      """
      SELECT concat_ws(' ', CASE WHEN to_status = 'open' AND from_status IS NULL THEN 'finding.opened'
        WHEN to_status = 'open' THEN 'finding.reopened' ELSE 'finding.resolved' END, finding_id)
      FROM registry.finding_change WHERE run_id = $1 AND to_status <> 'repaired'
      """, [.uuid(run.runID)])
    let planned = rehearsal.findings.map { "\($0.type.rawValue) \($0.findingID.text)" }
    let difference = Set(planned).symmetricDifference(told)
    try #require(difference.isEmpty && planned.count == Set(told).count, "\(comment ?? ""): \(difference.first ?? "")")
    // What the run has noted on the findings that it took up, and nothing else.
    let done = try await stage.texts(
      """
      SELECT concat_ws(' ', f.finding_id, f.repair_act) FROM registry.finding f
      JOIN registry.reconciliation_run r ON r.run_id = $1 AND f.repair_at >= r.started_at
      """, [.uuid(run.runID)])
    let repairs = rehearsal.repairs.map { "\($0.findingID.text) \($0.act.rawValue)" }
    #expect(repairs.sorted() == done.sorted(), "\(comment ?? "")")
    #expect(rehearsal.repairs.filter { $0.act != .left }.count == Int(run.repaired))
    return (rehearsal, run)
  }

  @Test func aDryRunSaysWhatARunOpensResolvesAndReopens() async throws {
    let seed = TestSeed.take()
    try await withStage(StageSettings(slugs: ["acme", "other"])) { stage in
      try await stage.expect(Payload.auth("theirs", reference: "x"), .accepted, tenant: "other")
      var types: Set<FindingTransitionType> = []
      for round in 0..<Self.rounds {
        let facts = RandomFacts(seed: seed &+ UInt64(round), origin: Date().addingTimeInterval(-9 * 86_400))
        try await stage.replace(with: facts)
        let comment = Comment("round \(round) of seed \(seed)")
        let first = try await Self.both(stage, isFull: round.isMultiple(of: 2), comment)
        #expect(!first.rehearsal.findings.isEmpty)
        types.formUnion(first.rehearsal.findings.map(\.type))
        // Without its events hardly anything is as it was; and then they are there again.
        try await stage.owner.execute("CREATE TABLE public.kept AS TABLE registry.auth_event")
        try await stage.owner.execute("DELETE FROM registry.auth_event")
        for restores in [false, true] {
          if restores { try await stage.owner.execute("INSERT INTO registry.auth_event SELECT * FROM public.kept") }
          types.formUnion(try await Self.both(stage, comment).rehearsal.findings.map(\.type))
          types.formUnion(try await Self.both(stage, isFull: true, comment).rehearsal.findings.map(\.type))
        }
        try await stage.owner.execute("DROP TABLE public.kept")
      }
      #expect(types == [.opened, .resolved, .reopened])
    }
  }

  @Test func aDryRunReadsTheListingAndSaysWhatWouldBeRepaired() async throws {
    try await withStage { stage in
      let lost = try await stage.sandbox.connectOutsideSession(
        tenant: "acme", referenceID: "person-1", resource: "GARMIN")
      let other = try await stage.sandbox.connectOutsideSession(
        tenant: "acme", referenceID: "person-2", resource: "GARMIN")
      let (early, _) = try await Self.both(stage, asksProvider: true, repair: .safe)
      #expect(early.findings.isEmpty && early.remarks.count == 1 && !early.isPartial)
      try await stage.letPassWithListings(seconds: 700)
      let (late, run) = try await Self.both(stage, asksProvider: true, repair: .safe)
      #expect(late.findings.map(\.kind) == [.missingLocally, .missingLocally])
      #expect(late.findings.contains { $0.subject.id == lost })
      #expect(late.repairs.map(\.act) == [.confirmed, .confirmed] && run.repaired == 2)
      try await stage.expect(Delivery(Payload.data(other), at: -120), .data)
      // Terra ends it without a word: two listings later a run ends it here.
      try await stage.sandbox.deauthenticate(tenant: "acme", userID: lost)
      await stage.sandbox.waitUntilIdle()
      var acts: [Repair.Act] = []
      for _ in 0..<2 {
        try await stage.letPassWithListings(seconds: 7 * 3_600)
        acts += try await Self.both(stage, asksProvider: true, repair: .safe).rehearsal.repairs.map(\.act)
      }
      #expect(acts == [.ended])
    }
  }

  @Test func whatStandsAndHasNewsIsRepairedOnce() async throws {
    try await withStage { stage in
      let session = try await stage.open("FITBIT")
      _ = try await stage.open("GARMIN")
      try await stage.letPass(seconds: 100_000)
      _ = try await stage.reconcile()
      #expect(try await stage.openFindings().map(\.kind) == [.staleSession, .staleSession])
      // A run collects the session for its finding, and for what is new.
      try await stage.visit(session.token, "user_id=\(try #require(session.session.userID))")
      try await stage.letPass(seconds: 700)
      let asked = await stage.sandbox.calls(tenant: "acme").count
      let rehearsal = try await stage.registry.reconciliations.rehearse(tenant: "acme", repair: .safe)
      #expect(rehearsal.repairs.map(\.kind) == [.staleSession, .callbackWithoutEvent], "\(rehearsal)")
      #expect(await stage.sandbox.calls(tenant: "acme").count == asked + 2)
      let (_, run) = try await Self.both(stage, repair: .safe)
      #expect(run.remarks.count == 2, "\(run)")
    }
  }

  @Test func aDryRunThatLosesItsConnectionBeginsAnewOrSaysThatTheDatabaseIsGone() async throws {
    try await withStage { stage in
      let database = stage.registry.database
      let id = TenantID.of(slug: "acme")
      let tries = NIOLockedValueBox(0)
      @Sendable func lose(_ database: RegistryDatabase) async throws {
        let pid = try await database.service.execute(
          PostgresBatch(statements: [PostgresStatement("SELECT pg_backend_pid()::bigint AS pid")])
        ).first?.rows.first?.decode("pid", as: Int.self)
        // The call returns when the backend is gone.
        try await stage.owner.execute("SELECT pg_terminate_backend($1::bigint::int, 60000)", [.int(pid)])
      }
      @Sendable func rehearse(losing: Int, atEnd: Bool = false) async throws -> Int {
        tries.withLockedValue { $0 = 0 }
        return try await database.rehearsing(id) { database in
          let count = tries.withLockedValue { tries in
            tries += 1
            return tries
          }
          if count <= losing, !atEnd { try await lose(database) }
          let found = try await database.run(id, RegistryStatements.tenantShow(.uuid(id))).rows.count
          if count <= losing, atEnd { try await lose(database) }
          return found
        }
      }
      let found = try await rehearse(losing: 1)
      #expect(found == 1 && tries.withLockedValue { $0 } == 2)
      // Without its connection it is rolled back as well.
      let foundAtEnd = try await rehearse(losing: 1, atEnd: true)
      #expect(foundAtEnd == 1 && tries.withLockedValue { $0 } == 1)
      await expectError(.databaseUnavailable) { _ = try await rehearse(losing: .max) }
      #expect(tries.withLockedValue { $0 } == RegistryDatabase.maximumTries)
    }
  }

  @Test func whatTerraCannotBeAskedIsSaidAndTheRestIsCompared() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.auth("u1", reference: nil), .accepted)
      try await stage.letPass(seconds: 5_000)
      try await stage.update { $0.apiKey = "another-key" }
      let (rehearsal, run) = try await Self.both(stage, asksProvider: true)
      #expect(rehearsal.isPartial && rehearsal.remarks == run.remarks && run.outcome == .partial)
      #expect(rehearsal.findings.map(\.kind) == [.unattributed])
      await expectError(.tenantUnknown) { _ = try await stage.registry.reconciliations.rehearse(tenant: "nobody") }
    }
  }

  /// A run only writes down what lists say already: that is an escalation, of which a dry run says nothing.
  @Test func aDryRunSaysNothingOfAcknowledgementsWhoseTimeIsOver() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.auth("u1", reference: nil), .accepted)
      try await stage.letPass(seconds: 5_000)
      _ = try await stage.reconcile()
      let id = try #require(try await stage.finding(.unattributed)).id
      _ = try await stage.registry.findings.acknowledge(
        tenant: "acme", id: id, by: "ann", reason: "known", until: Date() + 3_600)
      try await stage.letPass(seconds: 3_601)
      let rehearsal = try await stage.registry.reconciliations.rehearse(tenant: "acme")
      #expect(rehearsal.findings.isEmpty && rehearsal.repairs.isEmpty && rehearsal.remarks.isEmpty, "\(rehearsal)")
      #expect(try await stage.texts("SELECT status FROM registry.finding") == ["acknowledged"])
      _ = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(try await stage.texts("SELECT status FROM registry.finding") == ["open"])
      #expect(
        try await stage.texts("SELECT reason FROM registry.finding_change WHERE sequence = 3")
          == ["acknowledgement_ended"])
    }
  }

  @Test func aTransactionThatIsRehearsedIsNeverSeen() async throws {
    try await withStage { stage in
      let database = stage.registry.database
      let id = TenantID.of(slug: "acme")
      let seen = try await database.rehearsing(id) { database in
        _ = try await database.run(
          id, RegistryStatements.providerListingInsert(.uuid(id), .uuid(UUID()), .timestamp(Date())))
        return try await database.run(
          id, RegistryStatements.providerListingUnderWay(.uuid(id), .double(60), .null)
        ).rows.first?.decodeIfPresent("outcome", as: String.self)
      }
      #expect(seen == "reading")
      #expect(try await stage.count("provider_listing") == 0)
      // What the server refuses comes out as it is, and is not tried again and again.
      let tenant = PostgresParameter.uuid(id)
      await #expect(throws: PostgresError.self) {
        try await database.rehearsing(id) { database in
          _ = try await database.run(id, RegistryStatements.reconciliationFence(tenant, tenant, tenant))
        }
      }
    }
  }
}
