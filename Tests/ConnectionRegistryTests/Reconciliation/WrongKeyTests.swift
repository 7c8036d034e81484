@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
@testable import TerraSandbox
import TestDatabase
import Testing

/// A tenant that was given the key of another environment, in which people are connected: nobody ends by it.
@Suite(.migratedDatabase) struct WrongKeyTests {
  private static let two = StageSettings(slugs: ["acme", "globex"])

  /// Connections whose events were signed.
  private static func signed(_ count: Int, _ stage: Stage) async throws -> [String] {
    var ids: [String] = []
    for number in 0..<count {
      let person = "person-\(number)"
      let id = try await stage.sandbox.connectOutsideSession(
        tenant: stage.slug, referenceID: person, resource: "GARMIN", account: "account-\(number)")
      try await stage.expect(Payload.auth(id, reference: person, resource: "GARMIN"), .accepted)
      ids.append(id)
    }
    return ids
  }

  /// People of the other environment, of whom the registry knows nothing.
  private static func strangers(_ count: Int, _ stage: Stage) async throws {
    for number in 0..<count {
      _ = try await stage.sandbox.connectOutsideSession(
        tenant: "globex", referenceID: "stranger-\(number)", resource: "OURA", account: "theirs-\(number)")
    }
  }

  /// From here on the tenant's credentials open the other environment, which knows none of its ids.
  private static func mistakeKey(_ stage: Stage) async throws {
    try await stage.update(tenant: "globex") { $0.devID = "moved" }
    try await stage.update { $0.devID = "elsewhere" }
    try await stage.update(tenant: "globex") {
      $0.devID = "acme-dev-id"
      $0.apiKey = "acme-api-key"
    }
  }

  /// A session that is begun, approved and come back from while the key is wrong.
  private static func connectInTheWrongPlace(_ stage: Stage) async throws -> String {
    let opened = try await stage.open("FITBIT", reference: "newcomer")
    let userID = try #require(opened.session.userID)
    try await stage.approve(opened)
    try await stage.visit(opened.token, "user_id=\(userID)&reference_id=newcomer&resource=FITBIT")
    return userID
  }

  private static func repairOverThreeListings(_ stage: Stage) async throws -> [ReconciliationRun] {
    var runs: [ReconciliationRun] = []
    for _ in 0..<3 {
      try await stage.letPassWithListings(seconds: 7 * 3_600)
      runs.append(try await stage.registry.reconciliations.run(tenant: stage.slug, asksProvider: true, repair: .safe))
    }
    return runs
  }

  @Test func aListingOfStrangersIsKnownAlsoWhereDataHasComeSinceItBegan() async throws {
    try await withStage(Self.two) { stage in
      let ids = try await Self.signed(3, stage)
      try await Self.strangers(5, stage)
      try await stage.letPassWithListings(seconds: 700)
      try await stage.update {
        ($0.answersAs, $0.listingPageSize, $0.listingFault) = ("globex", 2, .rateLimited)
      }
      try await stage.pass()
      for id in ids { try await stage.expect(Payload.data(id), .data) }
      try await stage.update { $0.listingFault = nil }
      guard case .incomplete(let reason) = try await stage.pass() else {
        Issue.record("a listing of another environment counts as complete")
        return
      }
      #expect(reason == ListingAssessment.Doubt.nothingConfirmed.sentence)
      try await stage.letPassWithListings(seconds: 700)
      try await stage.run()
      #expect(try await stage.openFindings().allSatisfy { $0.kind != .missingLocally })
    }
  }

  @Test func oneConnectionMadeUnderAWrongKeyEndsNobody() async throws {
    try await withStage(Self.two) { stage in
      let ids = try await Self.signed(5, stage)
      try await Self.strangers(4, stage)
      try await Self.mistakeKey(stage)
      let newcomer = try await Self.connectInTheWrongPlace(stage)
      // The person did connect by the tenant's own session; nobody else's are taken in, and nobody ends.
      let runs = try await Self.repairOverThreeListings(stage)
      #expect(try await stage.live() == Set(ids + [newcomer]), "\(runs)")
      #expect(runs.allSatisfy { $0.provider == "incomplete" }, "\(runs)")
      #expect(runs.allSatisfy { $0.remarks.contains { $0.contains("that signed events speak of") } }, "\(runs)")
    }
  }

  @Test func anImportUnderAWrongKeyEndsNobody() async throws {
    try await withStage(Self.two) { stage in
      let ids = try await Self.signed(5, stage)
      try await Self.strangers(4, stage)
      try await Self.mistakeKey(stage)
      let report = try await stage.registry.connections.importFromTerra(tenant: "acme")
      #expect(report.added == 4 && report.isComplete)
      _ = try await Self.repairOverThreeListings(stage)
      #expect(try await stage.live().isSuperset(of: ids))
    }
  }

  @Test func whereNothingIsSignedAbsenceEndsNothingUntilSomethingIs() async throws {
    try await withStage { stage in
      let ids = try await stage.connectAndImport(5, isSigned: false)
      try await stage.sandbox.deauthenticate(tenant: "acme", userID: ids[0])
      let runs = try await Self.repairOverThreeListings(stage)
      #expect(try await stage.live() == Set(ids))
      #expect(runs.last?.provider == "complete")
      #expect(
        runs.last?.remarks.contains { $0.contains("No signed event has spoken of a live connection yet") } == true,
        "\(runs)")
      try await stage.expect(Delivery(Payload.data(ids[4]), at: -120), .data)
      _ = try await Self.repairOverThreeListings(stage)
      #expect(try await stage.live() == Set(ids.dropFirst()))
    }
  }

  @Test func whatIsAliveWithAnotherTenantIsNotTakenOver() async throws {
    try await withStage(Self.two) { stage in
      let theirs = try await stage.sandbox.connectOutsideSession(
        tenant: "globex", referenceID: "stranger", resource: "OURA", account: "theirs")
      try await stage.expect(Payload.auth(theirs, reference: "stranger", resource: "OURA"), .accepted, tenant: "globex")
      try await Self.strangers(1, stage)
      try await Self.mistakeKey(stage)
      let runs = try await Self.repairOverThreeListings(stage)
      let holders = try await stage.texts(
        "SELECT tenant_id::text FROM registry.connection WHERE user_id = $1", [.text(theirs)])
      #expect(holders == [TenantID.of(slug: "globex").text])
      let left = try #require(try await stage.openFindings().first { $0.subject.id == theirs })
      #expect(left.repair?.act == .left && left.repair?.reason.contains("globex") == false, "\(left) \(runs)")
      // A tenant that is disabled holds nothing any more.
      _ = try await stage.registry.tenants.disable("globex")
      _ = try await Self.repairOverThreeListings(stage)
      #expect(try await stage.registry.connections.show(tenant: "acme", theirs).connection.status == .active)
    }
  }

  @Test func anEndAskedForUnderAWrongKeyIsNotBelieved() async throws {
    try await withStage(Self.two) { stage in
      let ids = try await Self.signed(5, stage)
      try await stage.letPass(seconds: 60)
      // Terra has ended one of them without a word; another one, asked for with the same key, it knows.
      try await stage.sandbox.deauthenticate(tenant: "acme", userID: ids[4])
      let gone = try await stage.registry.connections.deauthenticate(tenant: "acme", ids[4])
      #expect(gone.outcome == .alreadyGone && gone.connection.status == .revoked)
      try await Self.mistakeKey(stage)
      let refused = await expectError(.terraCredentialsRefused) {
        _ = try await stage.registry.connections.deauthenticate(tenant: "acme", ids[0])
      }
      #expect(refused?.message.contains("nothing is ended") == true)
      // The gateway passes Terra's answer on, and believes it as little.
      let key = try await stage.registry.keys.create(tenant: "acme", name: "client", scopes: [.admin]).secret
      let operation = GatewayOperation.deauthenticateUser
      let admission = try await stage.registry.gateway.admit(
        method: operation.method, path: operation.path, apiKeys: [key], devIDs: ["acme-dev-id"])
      let passed = try await stage.registry.gateway.answer(
        admission, rawQuery: "user_id=\(ids[1])", contentType: nil, accept: nil, body: [])
      #expect(passed.status == 404)
      #expect(try await stage.live() == Set(ids.dropLast()))
      #expect(try await stage.count("correction") == 1)
    }
  }
}
