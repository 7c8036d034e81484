@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryTerra
import Testing

/// When absence from a listing counts, and what Terra's answers prove: without a database.
struct ListingAssessmentTests {
  private static func assessment(
    live: Int, absent: Int, signed: Int? = nil, confirmed: Int? = nil, before: Int = 1
  ) -> ListingAssessment {
    ListingAssessment(
      listed: live - absent, live: live, signed: signed ?? live, known: live - absent,
      confirmed: confirmed ?? live - absent, absentOnce: absent, absentTwice: absent, listingsBefore: before)
  }

  @Test func absenceCountsUpToTenOrFivePercent() {
    #expect(Self.assessment(live: 11, absent: 10).doubt == nil)
    #expect(Self.assessment(live: 12, absent: 11).doubt == .tooManyAbsent(11, limit: 10))
    #expect(Self.assessment(live: 1_000, absent: 50).doubt == nil)
    #expect(Self.assessment(live: 1_000, absent: 51).doubt == .tooManyAbsent(51, limit: 50))
  }

  @Test func aListingThatKnowsNobodyProvesNothing() {
    #expect(Self.assessment(live: 1, absent: 1).doubt == .nothingConfirmed)
    #expect(Self.assessment(live: 5, absent: 5).doubt == .nothingConfirmed)
    #expect(Self.assessment(live: 0, absent: 0).doubt == nil)
  }

  @Test func whatTerrasAnswersAloneHaveBroughtProvesNothing() {
    #expect(Self.assessment(live: 6, absent: 5, signed: 5, confirmed: 0).doubt == .nothingConfirmed)
    #expect(Self.assessment(live: 1_000, absent: 5, signed: 0, confirmed: 0).doubt == .nothingSigned)
    #expect(Self.assessment(live: 1_000, absent: 11, signed: 50, confirmed: 45).doubt == .tooManyAbsent(11, limit: 10))
    #expect(Self.assessment(live: 1_000, absent: 10, signed: 1, confirmed: 1).doubt == nil)
  }

  @Test func theFirstListingEndsNothing() {
    #expect(Self.assessment(live: 20, absent: 1, before: 0).doubt == .firstListing)
  }

  @Test func questionsKeepToTheirBudget() {
    var pace = TerraPace(requestsPerSecond: 4)
    let start = ContinuousClock.now
    #expect(pace.take(now: start) == .zero)
    #expect(pace.take(now: start) == .milliseconds(250))
    #expect(pace.take(now: start + .milliseconds(100)) == .milliseconds(400))
    #expect(!pace.isFree(at: start + .milliseconds(700)) && pace.isFree(at: start + .milliseconds(750)))
    #expect(pace.take(now: start + .seconds(10)) == .zero)
  }
}

/// What is done for which answer of Terra's.
struct RepairDecisionTests {
  private static func user(
    _ reference: String? = "person-1", _ resource: String = "FITBIT", active: Bool? = true
  ) throws -> TerraUser {
    let named = reference.map { "\"\($0)\"" } ?? "null"
    let flag = active.map { "\($0)" } ?? "null"
    let body = """
      {"type":"auth","status":"success","user":{"user_id":"u-1","provider":"\(resource)","reference_id":\(named),\
      "scopes":"A","active":\(flag)}}
      """
    let event = try TerraEvent.decode(body.utf8)
    return try #require(event.connection)
  }

  private static func repair(
    _ kind: FindingKind, reason: String = "", userID: String? = "u-1", status: ConnectionStatus? = nil,
    reference: String? = nil, resource: String? = nil
  ) -> RepairCase {
    RepairCase(
      findingID: UUID(), kind: kind, reasonCode: reason, firstSeenAt: Date(), userID: userID, referenceID: reference,
      resource: resource, status: status, recordedAt: Date())
  }

  private static func isLeft(_ decision: RepairDecision?) -> Bool {
    if case .leave = decision { true } else { false }
  }

  @Test func onlyAnUnknownIdEnds() throws {
    let missing = Self.repair(.missingAtProvider, status: .active)
    #expect(RepairDecision.after(.unknown, missing) == .end)
    for (active, authenticated) in [(true, true), (true, false), (false, true), (false, false), (nil, nil)] {
      let answer = RepairDecision.Answer.known(try Self.user(active: active), isAuthenticated: authenticated)
      #expect(Self.isLeft(RepairDecision.after(answer, missing)))
    }
    for kind in RepairCase.kinds where kind != .missingAtProvider {
      #expect(Self.isLeft(RepairDecision.after(.unknown, Self.repair(kind, status: .active))), "\(kind)")
    }
  }

  @Test func absenceInDoubtIsNotEvenAskedAbout() {
    let missing = Self.repair(.missingAtProvider, status: .active)
    #expect(RepairDecision.withoutAsking(missing, absenceDoubt: nil) == nil)
    #expect(RepairDecision.withoutAsking(missing, absenceDoubt: "why") == .leave("why"))
    #expect(
      Self.isLeft(RepairDecision.withoutAsking(Self.repair(.missingAtProvider, status: .revoked), absenceDoubt: nil)))
  }

  @Test func inactivityAloneEndsNothing() {
    let drift = Self.repair(.statusDrift, reason: "inactive_at_provider", status: .active)
    #expect(Self.isLeft(RepairDecision.withoutAsking(drift, absenceDoubt: nil)))
  }

  @Test func whatTerraHasAuthenticatedIsConfirmed() throws {
    let user = try Self.user()
    for kind in [FindingKind.missingLocally, .callbackWithoutEvent, .staleSession] {
      #expect(RepairDecision.after(.known(user, isAuthenticated: true), Self.repair(kind)) == .confirm(user))
      #expect(RepairDecision.after(.known(user, isAuthenticated: nil), Self.repair(kind)) == .confirm(user))
      #expect(Self.isLeft(RepairDecision.after(.known(user, isAuthenticated: false), Self.repair(kind))))
      let inactive = try Self.user(active: false)
      #expect(Self.isLeft(RepairDecision.after(.known(inactive, isAuthenticated: true), Self.repair(kind))))
      let silent = try Self.user(active: nil)
      #expect(Self.isLeft(RepairDecision.after(.known(silent, isAuthenticated: nil), Self.repair(kind))))
    }
  }

  @Test func anotherPersonOrProviderIsLeftToAPerson() throws {
    let user = try Self.user("person-2")
    let claim = Self.repair(.callbackWithoutEvent, reference: "person-1", resource: "FITBIT")
    #expect(Self.isLeft(RepairDecision.after(.known(user, isAuthenticated: true), claim)))
    let garmin = try Self.user("person-1", "GARMIN")
    #expect(Self.isLeft(RepairDecision.after(.known(garmin, isAuthenticated: true), claim)))
    let anonymous = try Self.user(nil)
    #expect(RepairDecision.after(.known(anonymous, isAuthenticated: true), claim) == .confirm(anonymous))
  }
}
