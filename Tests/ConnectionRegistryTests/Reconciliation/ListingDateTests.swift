@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
@testable import TerraSandbox
import TestDatabase
import Testing

/// Which listing is the last one, whatever clocks say.
@Suite(.migratedDatabase) struct ListingDateTests {
  private static let day = 86_400.0

  /// The comparisons of a process whose clock is wrong by so many seconds.
  private static func wrong(_ stage: Stage, by seconds: Double) -> Reconciliations {
    let runs = stage.impatient
    var timing = runs.timing
    timing.now = { Date() + seconds }
    return Reconciliations(
      database: runs.database, directory: runs.directory, timing: timing, every: runs.every, logger: runs.logger,
      questionsPerSecond: runs.questionsPerSecond, pause: runs.pause)
  }

  /// Many end at Terra at once, and one begins of which no webhook told: the next listing is the last one, so nothing is
  /// ended, and what it shows is found.
  private static func expectTheNewestToCount(_ stage: Stage, _ ids: [String]) async throws {
    for id in ids[1...12] { try await stage.sandbox.deauthenticate(tenant: stage.slug, userID: id) }
    await stage.sandbox.waitUntilIdle()
    let unknown = try await stage.sandbox.connectOutsideSession(
      tenant: stage.slug, referenceID: "person-x", resource: "GARMIN", account: "account-x")
    let listed = try await stage.provide(repair: .none)
    #expect(listed.remarks.contains { $0.contains("more than the 10") }, "\(listed)")
    try await stage.letPassWithListings(seconds: 700)
    let repaired = try await stage.registry.reconciliations.run(tenant: stage.slug, repair: .safe)
    #expect(repaired.repaired == 1, "\(repaired)")
    #expect(try await stage.live() == Set(ids + [unknown]))
    #expect(try await stage.count("correction WHERE verdict = 'gone'") == 0)
    let found = try await stage.openFindings()
    #expect(found.allSatisfy { $0.kind == .missingAtProvider && $0.repair?.act == .left }, "\(found)")
    // Two further ones say the same, in their order.
    let dates = try await stage.texts(
      "SELECT (lag(started_at) OVER (ORDER BY listing_id) < started_at)::text FROM registry.provider_listing WHERE outcome = 'complete'"
    )
    #expect(dates.filter { $0 != "true" }.count <= 1, "\(dates)")
  }

  @Test(arguments: [day, -day])
  func aProcessWhoseClockIsWrongPutsNoListingOutOfForce(by seconds: Double) async throws {
    try await withStage { stage in
      let ids = try await stage.connectAndImport(16)
      try await stage.sandbox.deauthenticate(tenant: stage.slug, userID: ids[0])
      await stage.sandbox.waitUntilIdle()
      let wrong = Self.wrong(stage, by: seconds)
      for _ in 0..<2 {
        try await stage.letPassWithListings(seconds: 7 * 3_600)
        let run = try await wrong.run(tenant: stage.slug, asksProvider: true)
        #expect(run.provider == "complete", "\(run)")
      }
      #expect(try await stage.openFindings().map(\.subject.id) == [ids[0]])
      try await stage.letPassWithListings(seconds: 700)
      try await Self.expectTheNewestToCount(stage, ids)
    }
  }

  /// Dates listings as a server does whose clock runs ahead, which then goes back.
  private static func goBack(_ stage: Stage, _ listings: String) async throws {
    for (table, columns) in [
      ("provider_listing_user", ["asked_at"]), ("provider_difference", ["since"]),
      ("provider_listing", ["started_at", "asked_at", "finished_at"]),
    ] {
      let sets = columns.map { "\($0) = \($0) + interval '1 day'" }.joined(separator: ", ")
      try await stage.owner.execute("UPDATE registry.\(table) SET \(sets) WHERE listing_id IN (\(listings))")
    }
  }

  private static let last =
    "SELECT l.listing_id FROM registry.provider_listing l WHERE l.outcome = 'complete' ORDER BY l.started_at DESC LIMIT 1"

  @Test(arguments: [last, "SELECT l.listing_id FROM registry.provider_listing l"])
  func aServerWhoseClockGoesBackPutsNoListingOutOfForce(dated: String) async throws {
    try await withStage { stage in
      let ids = try await stage.connectAndImport(16)
      try await stage.sandbox.deauthenticate(tenant: stage.slug, userID: ids[0])
      await stage.sandbox.waitUntilIdle()
      try await stage.listTwice()
      try await stage.letPassWithListings(seconds: 700)
      try await Self.goBack(stage, dated)
      try await stage.run()
      #expect(try await stage.count("provider_listing WHERE started_at > now() OR finished_at > now()") == 0)
      #expect(try await stage.openFindings().map(\.subject.id) == [ids[0]], "the order of the two listings stands")
      try await Self.goBack(stage, dated)
      try await Self.expectTheNewestToCount(stage, ids)
    }
  }

  /// What came after a listing stays newer than it, wherever the listing is dated.
  @Test func whatChangedAfterAListingThatIsDatedAheadIsNotHeldAgainstIt() async throws {
    try await withStage { stage in
      let ids = try await stage.connectAndImport(3)
      try await stage.letPassWithListings(seconds: 3_600)
      try await stage.owner.execute(
        "UPDATE registry.connection SET reference_id = 'somebody-else' WHERE user_id = $1", [.text(ids[0])])
      try await stage.pass()
      try await stage.letPassWithListings(seconds: 700)
      try await stage.run()
      #expect(try await stage.openFindings().map(\.subject.id) == [ids[0]])
      try await Self.goBack(stage, Self.last)
      // It has differed for long, and changed after the listing.
      try await stage.owner.execute("UPDATE registry.provider_difference SET since = now() - interval '1 hour'")
      try await stage.owner.execute(
        "UPDATE registry.connection SET changed_at = now(), recorded_at = now() WHERE user_id = $1", [.text(ids[0])])
      try await stage.run()
      #expect(try await stage.openFindings().isEmpty)
    }
  }

  @Test func aReadingThatIsDatedAheadIsNotGoneOnWith() async throws {
    try await withStage { stage in
      _ = try await stage.connectAndImport(5, pageSize: 2)
      try await stage.update { $0.listingFault = .rateLimited }
      guard case .incomplete = try await stage.pass() else {
        Issue.record("a listing that ended with 429 counts as complete")
        return
      }
      try await stage.update { $0.listingFault = nil }
      try await Self.goBack(stage, "SELECT l.listing_id FROM registry.provider_listing l WHERE l.outcome = 'reading'")
      guard case .complete(_, let assessment) = try await stage.pass() else {
        Issue.record("the listing was not read")
        return
      }
      #expect(assessment.listed == 5)
      #expect(try await stage.count("provider_listing WHERE outcome = 'given_up' AND next_page = 1") == 1)
      #expect(try await stage.count("provider_listing WHERE outcome = 'reading'") == 0)
    }
  }
}
