@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryTerra
@testable import TerraSandbox
import TestDatabase
import Testing

/// Sessions of which neither a webhook nor a redirect came, asked for at Terra by their app user.
@Suite(.migratedDatabase) struct SessionCandidateTests {
  private static func settings() -> StageSettings {
    var settings = StageSettings(generation: .legacy)
    settings.sessionExpiry = .seconds(600)
    return settings
  }

  /// The person logs in at the widget; nobody hears of it.
  private static func connectUnheard(_ stage: Stage) async throws -> String {
    let opened = try await stage.open(reference: "person-1")
    try await stage.letPass(seconds: 60)
    let attempt = try #require(await stage.sandbox.attempt(loginURL: opened.session.authURL ?? ""))
    _ = try await stage.sandbox.decide(attempt, decision: "approve", picked: "GARMIN")
    let made = await stage.sandbox.world.authenticated(tenant: stage.slug).filter { $0.resource == "GARMIN" }
    return try #require(made.first).userID
  }

  /// What a repairing run leaves open, and why.
  private static func left(_ stage: Stage) async throws -> String {
    let run = try await stage.registry.reconciliations.run(tenant: stage.slug, repair: .safe)
    #expect(run.repaired == 0 && run.remarks.count == 1, "\(run)")
    let finding = try #require(try await stage.finding(.staleSession))
    #expect(finding.status == .open && finding.repair?.act == .left)
    return finding.repair?.reason ?? ""
  }

  @Test(arguments: UserListShape.allCases)
  func aSessionThatNothingCameOfIsMadeGood(shape: UserListShape) async throws {
    try await withStage(Self.settings()) { stage in
      try await stage.update { $0.userListShape = shape }
      let earlier = try await stage.sandbox.connectOutsideSession(
        tenant: stage.slug, referenceID: "person-1", resource: "OURA")
      try await stage.expect(Payload.auth(earlier, reference: "person-1", resource: "OURA"), .accepted)
      let made = try await Self.connectUnheard(stage)
      try await stage.letPass(seconds: 5_000)
      try await stage.run()
      #expect(try await stage.openFindings().map(\.kind) == [.staleSession])
      let rehearsal = try await stage.registry.reconciliations.rehearse(tenant: stage.slug, repair: .safe)
      #expect(rehearsal.repairs.map(\.userID) == [made] && rehearsal.repairs.map(\.act) == [.confirmed])
      #expect(try await stage.count("correction") == 0)
      let run = try await stage.registry.reconciliations.run(tenant: stage.slug, repair: .safe)
      #expect(run.repaired == 1 && run.remarks.isEmpty, "\(run)")
      let connection = try await stage.registry.connections.show(tenant: stage.slug, made).connection
      #expect(connection.status == .active && connection.referenceID == "person-1" && connection.resource == "GARMIN")
      #expect(try await stage.live() == [earlier, made])
      try await stage.run()
      #expect(try await stage.openFindings().isEmpty)
    }
  }

  @Test(arguments: UserListShape.allCases)
  func aSessionThatNobodyFinishedStaysOpen(shape: UserListShape) async throws {
    try await withStage(Self.settings()) { stage in
      try await stage.update { $0.userListShape = shape }
      _ = try await stage.open(reference: "person-1")
      try await stage.letPass(seconds: 5_000)
      #expect(try await Self.left(stage).contains("no connection of the app user"))
      #expect(try await stage.count("connection") == 0)
    }
  }

  /// The third shape names the newest only.
  @Test(arguments: [UserListShape.array, .users])
  func twoCandidatesStayOpen(shape: UserListShape) async throws {
    try await withStage(Self.settings()) { stage in
      try await stage.update { $0.userListShape = shape }
      _ = try await Self.connectUnheard(stage)
      _ = try await stage.sandbox.connectOutsideSession(
        tenant: stage.slug, referenceID: "person-1", resource: "OURA")
      try await stage.letPass(seconds: 5_000)
      #expect(try await Self.left(stage).contains("Several connections of the app user"))
      #expect(try await stage.count("connection") == 0)
    }
  }
}

/// Which connection a session can have made: without a database.
struct SessionCandidateChoiceTests {
  private static let began = Date(timeIntervalSince1970: 1_728_272_700)

  private static func user(
    _ id: String, reference: String? = "person-1", resource: String = "GARMIN", madeAfter seconds: Double? = 60
  ) throws -> TerraUser {
    let made = seconds.map { "\"\(began.addingTimeInterval($0).formatted(.iso8601))\"" } ?? "null"
    let body = """
      {"type":"auth","status":"success","user":{"user_id":\(Payload.text(id)),"provider":"\(resource)",\
      "reference_id":\(reference.map(Payload.text) ?? "null"),"created_at":\(made)}}
      """
    return try #require(try TerraEvent.decode(body.utf8).connection)
  }

  private static func choice(
    _ users: [TerraUser], known: [String] = [], resource: String? = nil
  ) -> SessionCandidates.Choice {
    let repair = RepairCase(
      findingID: UUID(), kind: .staleSession, reasonCode: "nothing_came_back", firstSeenAt: began, userID: nil,
      referenceID: "person-1", resource: resource, status: nil, recordedAt: nil, sessionBeganAt: began)
    return SessionCandidates(repair: repair, known: Set(known.map(ExactText.init))).choose(among: users)
  }

  private static func isLeft(_ choice: SessionCandidates.Choice) -> Bool {
    if case .leave = choice { true } else { false }
  }

  @Test func theOnlyNewOneIsTaken() throws {
    #expect(Self.choice([try Self.user("u-1")]) == .one("u-1"))
    #expect(Self.choice([try Self.user("u-1", reference: nil)]) == .one("u-1"))
    #expect(Self.choice([try Self.user("u-1")], resource: "GARMIN") == .one("u-1"))
    #expect(Self.choice([try Self.user("u-1"), try Self.user("u-1")]) == .one("u-1"))
    let older = try Self.user("u-0", madeAfter: -3_600)
    #expect(Self.choice([older, try Self.user("u-1")]) == .one("u-1"))
    #expect(Self.choice([try Self.user("u-0"), try Self.user("u-1")], known: ["u-0"]) == .one("u-1"))
    let oura = try Self.user("u-0", resource: "OURA")
    #expect(Self.choice([oura, try Self.user("u-1")], resource: "GARMIN") == .one("u-1"))
    // What is known or of another resource may be of any time.
    let timeless = try Self.user("u-0", madeAfter: nil)
    #expect(Self.choice([timeless, try Self.user("u-1")], known: ["u-0"]) == .one("u-1"))
  }

  @Test func whatIsNotProvedIsLeft() throws {
    let one = try Self.user("u-1")
    #expect(Self.isLeft(Self.choice([])))
    #expect(Self.isLeft(Self.choice([one, try Self.user("u-2")])))
    #expect(Self.isLeft(Self.choice([one], known: ["u-1"])))
    #expect(Self.isLeft(Self.choice([one], resource: "FITBIT")))
    #expect(Self.isLeft(Self.choice([try Self.user("u-1", reference: "person-2")])))
    #expect(Self.isLeft(Self.choice([try Self.user("u-1", madeAfter: -3_600)])))
    #expect(Self.isLeft(Self.choice([try Self.user("u-1", madeAfter: 0)])), "the clocks may differ by that much")
    #expect(Self.isLeft(Self.choice([one, try Self.user("u-2", madeAfter: nil)])))
  }

  @Test func severalClaimedIdsAreLeftToAPerson() {
    var repair = RepairCase(
      findingID: UUID(), kind: .staleSession, reasonCode: "nothing_came_back", firstSeenAt: Self.began, userID: nil,
      referenceID: "person-1", resource: nil, status: nil, recordedAt: nil, sessionBeganAt: Self.began)
    #expect(RepairDecision.withoutAsking(repair, absenceDoubt: nil) == nil)
    repair.claims = 2
    guard case .leave(let reason)? = RepairDecision.withoutAsking(repair, absenceDoubt: nil) else {
      Issue.record("several claims are asked about")
      return
    }
    #expect(reason.contains("several user_ids"))
  }
}
