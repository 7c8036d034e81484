@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL
import RegistryTerra
@testable import TerraSandbox
import TestDatabase
import Testing

/// Terra's listing against the connections: what is found, and what no fault of the listing can end.
@Suite(.migratedDatabase) struct ProviderPassTests {
  @Test func aConnectionWhoseWebhookWasLostIsFoundAndMadeGood() async throws {
    try await withStage { stage in
      let lost = try await stage.sandbox.connectOutsideSession(
        tenant: "acme", referenceID: "person-1", resource: "GARMIN")
      try await stage.pass()
      try await stage.letPassWithListings(seconds: 700)
      try await stage.run()
      let findings = try await stage.openFindings()
      #expect(findings.map(\.kind) == [.missingLocally])
      #expect(findings.map(\.reasonCode) == ["unknown_here"])
      #expect(findings.map(\.subject.id) == [lost])

      let rehearsal = try await stage.repair(isDryRun: true)
      #expect(rehearsal.repairs.map(\.act) == [.confirmed])
      #expect(try await stage.count("correction") == 0)
      let outcome = try await stage.repair()
      #expect(outcome.repairs.map(\.act) == [.confirmed])
      let detail = try await stage.registry.connections.show(tenant: "acme", lost)
      #expect(detail.connection.status == .active)
      #expect(detail.connection.referenceID == "person-1")
      #expect(detail.connection.resource == "GARMIN")
      #expect(detail.changes.map(\.causeType) == ["correction"])
      #expect(try await stage.openFindings().isEmpty)
      try await stage.run()
      #expect(try await stage.openFindings().isEmpty)
      #expect(try await stage.repair().repairs.isEmpty)
    }
  }

  /// Data goes on to come every minute, before, between and after the runs.
  @Test func dataThatKeepsComingHidesNothingOfAListing() async throws {
    try await withStage { stage in
      let kept = try await stage.connectAndImport(2)[0]
      let lost = try await stage.sandbox.connectOutsideSession(
        tenant: "acme", referenceID: "person-1", resource: "GARMIN")
      try await stage.owner.execute(
        "UPDATE registry.connection SET reference_id = 'somebody-else' WHERE user_id = $1", [.text(kept)])
      let data = {
        // The minute of the data before is past.
        try await stage.owner.execute("UPDATE registry.connection SET data_key = '0000000000000001:1:0'")
        for id in [kept, lost] { try await stage.expect(Payload.data(id), .data) }
        try await stage.letPassWithListings(seconds: 61)
      }
      try await data()
      try await stage.pass()
      try await data()
      try await stage.letPassWithListings(seconds: 700)
      for _ in 0..<3 {
        try await stage.run()
        try await data()
      }
      let found = try await stage.openFindings().sorted { $0.kind.rawValue < $1.kind.rawValue }
      #expect(found.map(\.kind) == [.missingLocally, .statusDrift])
      #expect(found.map(\.reasonCode) == ["never_confirmed_here", "another_reference_id_at_provider"])
      #expect(found.map(\.timesOpened) == [1, 1])
      let outcome = try await stage.repair()
      #expect(outcome.repairs.filter { $0.kind == .missingLocally }.map(\.act) == [.confirmed])
      #expect(try await stage.registry.connections.show(tenant: "acme", lost).connection.status == .active)
    }
  }

  /// Who has data all day long costs a run nothing, nor does what stands in a listing that was judged before.
  @Test func dataAloneAndAListingThatIsOldAreNothingToExamine() async throws {
    try await withStage { stage in
      let ids = try await stage.connectAndImport(5)
      let lost = try await stage.sandbox.connectOutsideSession(
        tenant: "acme", referenceID: "person-1", resource: "GARMIN")
      try await stage.pass()
      try await stage.letPassWithListings(seconds: 86_400)
      try await stage.run()
      #expect(try await stage.openFindings().map(\.subject.id) == [lost])
      // What stands is looked at in turns; here it is the turn of none of it.
      let turn = "UPDATE registry.reconciliation_state SET standing_family = 'z', standing_subject = 'z'"
      try await stage.owner.execute(turn)
      for id in ids { try await stage.expect(Payload.data(id), .data) }
      let quiet = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(quiet.examined == 1 && quiet.persisting == 1, "the tenant itself")
      try await stage.owner.execute(turn)
      try await stage.expect(Payload.data(lost), .data)
      try await stage.expect(Payload.deauth(ids[0]), .accepted)
      let told = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(told.examined == 4, "the tenant, who ended, and who has data for the first time and differs")
    }
  }

  @Test func aConnectionThatEndedUnheardIsEndedAfterTwoListings() async throws {
    try await withStage { stage in
      let ids = try await stage.connectAndImport(5)
      try await stage.letPassWithListings(seconds: 700)
      try await stage.sandbox.deauthenticate(tenant: "acme", userID: ids[2])
      try await stage.pass()
      try await stage.run()
      #expect(try await stage.openFindings().isEmpty, "one listing without it proves nothing")
      #expect(try await stage.repair().repairs.isEmpty)
      try await stage.letPassWithListings(seconds: 700)
      try await stage.pass()
      try await stage.run()
      #expect(try await stage.openFindings().map(\.subject.id) == [ids[2]])
      #expect(try await stage.openFindings().map(\.kind) == [.missingAtProvider])
      let outcome = try await stage.repair()
      #expect(outcome.repairs.map(\.act) == [.ended])
      #expect(try await stage.live() == Set(ids).subtracting([ids[2]]))
    }
  }

  @Test func whatTerraStillKnowsIsNotEnded() async throws {
    try await withStage { stage in
      let ids = try await stage.connectAndImport(6)
      try await stage.update { $0.listingFault = .truncated }
      for _ in 0..<2 {
        try await stage.letPassWithListings(seconds: 700)
        try await stage.pass()
      }
      try await stage.run()
      #expect(try await stage.openFindings().count == 3)
      let outcome = try await stage.repair()
      #expect(outcome.repairs.map(\.act) == [.left, .left, .left])
      #expect(try await stage.live() == Set(ids))
    }
  }

  @Test func aListingThatEndsBeforeItsOwnLastPageIsNotComplete() async throws {
    try await withStage { stage in
      let ids = try await stage.connectAndImport(9, pageSize: 2)
      try await stage.update { $0.listingFault = .cutShort }
      for _ in 0..<3 {
        try await stage.letPassWithListings(seconds: 700)
        guard case .incomplete(let reason) = try await stage.pass() else {
          Issue.record("a listing that says that it goes on counts as complete")
          return
        }
        #expect(reason.contains("says that page 4 is the last one"), "\(reason)")
        try await stage.run()
      }
      #expect(try await stage.openFindings().isEmpty)
      #expect(try await stage.live() == Set(ids))
    }
  }

  @Test(
    arguments: ListingFault.allCases)
  func noFaultOfAListingEndsAnything(fault: ListingFault) async throws {
    try await withStage(StageSettings(slugs: ["acme", "globex"])) { stage in
      let ids = try await stage.connectAndImport(9, pageSize: 2)
      _ = try await stage.sandbox.connectOutsideSession(tenant: "globex", referenceID: "other", resource: "OURA")
      try await stage.update { $0.listingFault = fault }
      for _ in 0..<3 {
        try await stage.letPassWithListings(seconds: 700)
        try await stage.pass()
        try await stage.run()
        _ = try await stage.repair()
      }
      #expect(try await stage.live() == Set(ids), "\(fault)")
      try await stage.update { $0.listingFault = nil }
      for _ in 0..<2 {
        try await stage.letPassWithListings(seconds: 7 * 3_600)
        try await stage.pass()
        try await stage.run()
        _ = try await stage.repair()
      }
      #expect(try await stage.live() == Set(ids), "\(fault)")
      let left = try await stage.openFindings().map(\.kind)
      #expect(left.isEmpty, "\(fault): \(left)")
    }
  }

  @Test func aListingOfWhichNoPageWasReadIsDatedAnew() async throws {
    try await withStage { stage in
      _ = try await stage.connectAndImport(3)
      try await stage.update { $0.listingFault = .emptyBody }
      guard case .incomplete = try await stage.pass() else {
        Issue.record("a listing without a page counts as complete")
        return
      }
      try await stage.letPassWithListings(seconds: 3_600)
      try await stage.update { $0.listingFault = nil }
      try await stage.pass()
      #expect(
        try await stage.texts(
          """
          SELECT concat_ws(' ', outcome, started_at > now() - interval '30 minutes')
          FROM registry.provider_listing ORDER BY started_at
          """) == ["complete f", "complete t"])
    }
  }

  @Test func anInterruptedListingIsGoneOnWith() async throws {
    try await withStage { stage in
      _ = try await stage.connectAndImport(7, pageSize: 2)
      try await stage.update { $0.listingFault = .rateLimited }
      guard case .incomplete = try await stage.pass() else {
        Issue.record("a listing that ended with 429 counts as complete")
        return
      }
      #expect(
        try await stage.texts("SELECT next_page::text FROM registry.provider_listing WHERE outcome = 'reading'") == [
          "1"
        ])
      try await stage.update { $0.listingFault = nil }
      guard case .complete(_, let assessment) = try await stage.pass() else {
        Issue.record("the rest of the listing was not read")
        return
      }
      #expect(assessment.listed == 7)
      #expect(
        try await stage.texts(
          "SELECT pages::text FROM registry.provider_listing WHERE outcome = 'complete' ORDER BY started_at DESC LIMIT 1"
        ) == ["4"])
    }
  }

  @Test func aKeyOfAnotherEnvironmentEndsNothing() async throws {
    try await withStage(StageSettings(slugs: ["acme", "globex"])) { stage in
      let ids = try await stage.connectAndImport(4)
      // From here on the tenant's credentials open the other environment, which knows none of these ids.
      try await stage.update(tenant: "globex") { $0.devID = "moved" }
      try await stage.update { $0.devID = "elsewhere" }
      try await stage.update(tenant: "globex") {
        $0.devID = "acme-dev-id"
        $0.apiKey = "acme-api-key"
      }
      for _ in 0..<3 {
        try await stage.letPassWithListings(seconds: 700)
        guard case .incomplete(let reason) = try await stage.pass() else {
          Issue.record("a listing of strangers counts")
          return
        }
        #expect(reason.contains("none of the live connections"))
        try await stage.run()
        _ = try await stage.repair()
      }
      #expect(try await stage.live() == Set(ids))
    }
  }

  @Test func manyThatVanishAtOnceAreLeftToAPerson() async throws {
    try await withStage { stage in
      let ids = try await stage.connectAndImport(16)
      for id in ids.prefix(11) { try await stage.sandbox.deauthenticate(tenant: "acme", userID: id) }
      for _ in 0..<2 {
        try await stage.letPassWithListings(seconds: 700)
        try await stage.pass()
        try await stage.run()
      }
      #expect(try await stage.openFindings().count == 11)
      let outcome = try await stage.repair()
      #expect(outcome.repairs.allSatisfy { $0.act == .left && $0.reason.contains("more than the 10") })
      #expect(try await stage.live() == Set(ids))
    }
  }

  @Test func aConnectionThatChangedSinceItWasJudgedIsNotEnded() async throws {
    try await withStage { stage in
      let ids = try await stage.connectAndImport(3)
      try await stage.sandbox.deauthenticate(tenant: "acme", userID: ids[0])
      for _ in 0..<2 {
        try await stage.letPassWithListings(seconds: 700)
        try await stage.pass()
        try await stage.run()
      }
      let id = PostgresParameter.uuid(TenantID.of(slug: "acme"))
      let seen = try await stage.owner.execute(
        "SELECT recorded_at FROM registry.connection WHERE user_id = $1", [.text(ids[0])])
      let before: Date = try #require(seen.rows.first).decode("recorded_at")
      try await stage.owner.execute(
        "UPDATE registry.connection SET recorded_at = recorded_at + interval '1 microsecond' WHERE user_id = $1",
        [.text(ids[0])])
      let correction = UUID.version7()
      let finding = try await #require(stage.openFindings().first { $0.subject.id == ids[0] }).id
      let results = try await stage.registry.database.run(
        TenantID.of(slug: "acme"), locking: [ids[0]],
        [
          RegistryStatements.correctionInsertIfLive(
            id, .uuid(correction), .timestamp(Date()), .text(ids[0]), .text("reconcile"), .text("r"), .text("{}"),
            .timestamp(before), .bytesArray([]), .uuid(finding)),
          RegistryStatements.connectionApplyCorrection(id, .text(ids[0]), .uuid(correction), .text("9")),
        ])
      #expect(results.map(\.affectedRows) == [0, 0])
      #expect(try await stage.live() == Set(ids))
    }
  }

  @Test func aCallbackWithoutEventIsMadeGood() async throws {
    try await withStage { stage in
      let opened = try await stage.open("FITBIT")
      let userID = try #require(opened.session.userID)
      try await stage.approve(opened)
      try await stage.visit(opened.token, "user_id=\(userID)&reference_id=person-1&resource=FITBIT")
      try await stage.letPassWithListings(seconds: 700)
      try await stage.run()
      #expect(try await stage.openFindings().map(\.kind) == [.callbackWithoutEvent])
      let outcome = try await stage.repair()
      #expect(outcome.repairs.map(\.act) == [.confirmed])
      #expect(try await stage.live() == [userID])
      try await stage.run()
      #expect(try await stage.openFindings().isEmpty, "the old story does not open the finding again")
    }
  }
}

extension Stage {
  /// The tenant's own way to ask Terra, without waiting.
  private func questions(_ entry: TenantDirectory.Entry) -> TerraQuestions {
    TerraQuestions(budget: { _ in .zero }, sleep: { _ in }) { entry.terraClient(deadline: .seconds(10)) }
  }

  private var entry: TenantDirectory.Entry {
    get async throws { try await registry.connections.directory.require(slug) }
  }

  /// Reads the listing.
  @discardableResult
  func pass() async throws -> ProviderPass.Ending {
    let entry = try await entry
    let (database, id) = (registry.database, entry.tenant.id)
    let pass = ProviderPass(database: database, tenant: entry.tenant, questions: questions(entry))
    while true {
      guard let ending = try await pass.step() else { continue }
      try await OldListings(tenantID: id) { try await database.run(id, compiles: false, $0) }.forget()
      return ending
    }
  }

  /// Settles what can be settled.
  func repair(isDryRun: Bool = false) async throws -> SafeRepair.Outcome {
    let entry = try await entry
    let (database, id) = (registry.database, entry.tenant.id)
    return try await SafeRepair(
      database: database, tenant: entry.tenant, questions: questions(entry), runID: .version7(), isDryRun: isDryRun,
      absenceDoubt: try await SafeRepair.absenceDoubt(database, id)
    ) { userID, statements in try await database.run(id, locking: [userID], statements) }
    .run()
  }

  func run() async throws {
    #expect(try await registry.reconciliations.run(tenant: slug).outcome == .complete)
  }

  /// Changes an environment of the sandbox.
  func update(tenant: String? = nil, _ change: @Sendable (inout SandboxEnvironment) -> Void) async throws {
    try await sandbox.update(tenant: tenant ?? slug, change)
  }

  /// Connects accounts at Terra, of which the registry then learns from the listing; their data has come before, unless
  /// `isSigned` is false.
  func connectAndImport(_ count: Int, pageSize: Int? = nil, isSigned: Bool = true) async throws -> [String] {
    try await update { $0.listingPageSize = pageSize }
    var ids: [String] = []
    for number in 0..<count {
      ids.append(
        try await sandbox.connectOutsideSession(
          tenant: slug, referenceID: "person-\(number)", resource: "GARMIN", account: "account-\(number)"))
    }
    try await pass()
    try await letPassWithListings(seconds: 700)
    try await run()
    #expect(try await repair().repairs.count == count)
    #expect(try await live() == Set(ids))
    guard isSigned else { return ids }
    for id in ids { try await expect(Delivery(Payload.data(id), at: -120), .data) }
    return ids
  }

  /// The ids that the registry holds as live.
  func live() async throws -> Set<String> {
    Set(try await texts("SELECT user_id FROM registry.connection WHERE status IN ('active', 'degraded')"))
  }

  func openFindings() async throws -> [Finding] {
    try await registry.findings.list(tenant: slug, page: Page(limit: 200)).items
  }

  /// Lets time pass for listings too.
  func letPassWithListings(seconds: Double) async throws {
    try await letPass(seconds: seconds)
    for sets in [
      "provider_listing SET started_at = started_at - make_interval(secs => $1), asked_at = asked_at - make_interval(secs => $1), finished_at = finished_at - make_interval(secs => $1)",
      "provider_listing_user SET asked_at = asked_at - make_interval(secs => $1)",
      "provider_difference SET since = since - make_interval(secs => $1)",
    ] {
      try await owner.execute("UPDATE registry.\(sets)", [.double(seconds)])
    }
  }

  /// Terra's users are listed twice, so far apart that what neither listing holds counts as absent.
  func listTwice() async throws {
    for _ in 0..<2 {
      try await letPassWithListings(seconds: 7 * 3_600)
      try await pass()
    }
  }

  /// The person logs in at Terra and approves.
  func approve(_ opened: OpenedSession) async throws {
    let attempt = try #require(await sandbox.attempt(loginURL: opened.session.authURL ?? ""))
    _ = try await sandbox.decide(attempt, decision: "approve", picked: nil)
  }
}
