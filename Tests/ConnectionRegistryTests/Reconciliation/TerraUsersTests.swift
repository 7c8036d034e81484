@testable import ConnectionRegistry
import Foundation
import Logging
import RegistryModel
import RegistryPostgres
@testable import TerraSandbox
import TestDatabase
import Testing

/// Terra's table in a database of the team's own: what it says opens findings, and it proves nothing.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct TerraUsersTests {
  /// A second database with a table as Terra keeps it there.
  static func with(
    _ statements: [String], _ body: @Sendable (String) async throws -> Void
  ) async throws {
    let url = try await TestDatabase.shared.emptyDatabase()
    try await execute(statements, at: url)
    let outcome: Result<Void, any Error>
    do { outcome = .success(try await body(url)) } catch { outcome = .failure(error) }
    try await TestDatabase.shared.drop(url)
    try outcome.get()
  }

  private static func execute(_ statements: [String], at url: String) async throws {
    try await PostgresPool.withPool(.patient(url), logger: Logger(label: "test")) { pool in
      for statement in statements { try await pool.execute(statement) }
    }
  }

  static let supabase =
    "CREATE TABLE terra_users (user_id text PRIMARY KEY, reference_id text, created_at timestamptz, granted_scopes text, provider text, state text)"

  /// Copies, lets the grace go by, and runs.
  private static func compare(_ stage: Stage, _ url: String, repair: RepairMode = .none) async throws -> [String] {
    _ = try await stage.registry.reconciliations.copyTerraUsers(tenant: stage.slug, from: url)
    try await stage.letPassWithListings(seconds: 700)
    _ = try await stage.registry.reconciliations.run(tenant: stage.slug, repair: repair)
    return try await stage.openFindings().map { "\($0.kind.rawValue) \($0.reasonCode) \($0.subject.id)" }.sorted()
  }

  @Test func whatItHoldsIsComparedAndWhatItLacksIsNot() async throws {
    try await Self.with([
      Self.supabase,
      """
      INSERT INTO terra_users (user_id, reference_id, provider, state) VALUES
        ('same', 'p1', 'fitbit', 'active'), ('new', 'p2', 'OURA', 'active'), ('over', 'p3', 'FITBIT', 'deauth'),
        ('other', 'p9', 'FITBIT', 'active'), ('ended', 'p5', 'FITBIT', 'active'), ('gone', 'p6', 'FITBIT', 'deauth'),
        ('silent', 'p7', 'FITBIT', 'something'), ('', 'p8', 'FITBIT', 'active')
      """,
    ]) { url in
      try await withStage { stage in
        for (user, reference) in [
          ("same", "p1"), ("over", "p3"), ("other", "p4"), ("ended", "p5"), ("gone", "p6"), ("silent", "p7"),
          ("absent", "p10"),
        ] {
          try await stage.expect(Payload.auth(user, reference: reference), .accepted)
        }
        for user in ["ended", "gone", "silent"] { try await stage.expect(Payload.deauth(user), .accepted) }
        try await stage.letPassWithListings(seconds: 700)
        let copy = try await stage.registry.reconciliations.copyTerraUsers(tenant: "acme", from: url)
        #expect(copy == TerraUsersCopy(rows: 7, skipped: 1))
        let expected = [
          "missing_locally ended_here ended", "missing_locally unknown_here new",
          "status_drift another_reference_id_at_provider other", "status_drift inactive_at_provider over",
        ]
        #expect(try await Self.compare(stage, url) == expected)
        // Again and again the same, and nothing of the one before is left.
        #expect(try await Self.compare(stage, url) == expected)
        #expect(try await stage.count("provider_listing_user") == 7)
        #expect(try await stage.live() == ["same", "over", "other", "absent"])
        // What the facts settle vanishes without another copy.
        try await stage.expect(Payload.auth("new", reference: "p2", resource: "OURA"), .accepted)
        _ = try await stage.registry.reconciliations.run(tenant: "acme")
        let left = try await stage.openFindings().map(\.subject.id)
        #expect(!left.contains("new") && left.contains("over"))
      }
    }
  }

  @Test func withoutAStateItSaysNothingOfWhatHasEnded() async throws {
    try await Self.with([
      "CREATE TABLE terra_users (user_id varchar(36) PRIMARY KEY, reference_id text DEFAULT NULL, created_at text NOT NULL)",
      "INSERT INTO terra_users VALUES ('ended', 'p1', 'x'), ('new', NULL, 'x')",
    ]) { url in
      try await withStage { stage in
        try await stage.expect(Payload.auth("ended", reference: "p1"), .accepted)
        try await stage.expect(Payload.deauth("ended"), .accepted)
        try await stage.letPassWithListings(seconds: 700)
        #expect(try await Self.compare(stage, url) == ["missing_locally unknown_here new"])
      }
    }
  }

  @Test func itProvesNothingAndALaterListingTakesItsPlace() async throws {
    try await Self.with([Self.supabase]) { url in
      try await withStage { stage in
        let ids = try await stage.connectAndImport(2)
        // The table is empty, twice: nothing has ended.
        for _ in 0..<2 { #expect(try await Self.compare(stage, url, repair: .safe) == []) }
        try await Self.execute(
          ["INSERT INTO terra_users (user_id, provider, state) VALUES ('forged', 'FITBIT', 'active')"], at: url)
        let found = try await Self.compare(stage, url, repair: .safe)
        #expect(found == ["missing_locally unknown_here forged"])
        let left = try #require(try await stage.finding(.missingLocally, subject: "forged"))
        #expect(left.repair?.act == .left)
        #expect(try await stage.live() == Set(ids))
        // Terra's own listing, begun later, does not hold it.
        try await stage.letPassWithListings(seconds: 60)
        try await stage.pass()
        try await stage.run()
        #expect(try await stage.openFindings().isEmpty)
      }
    }
  }

  @Test func whatCannotBeReadIsSaidWithoutThePassword() async throws {
    try await Self.with([]) { url in
      try await withStage { stage in
        for (source, words) in [
          (url, "terra_users"), ("host=/nowhere dbname=x password=hunter2", "terra_users could not be read"),
          ("postgres://u:hunter2@127.0.0.1:1/x?connect_timeout=2", "terra_users could not be read"),
        ] {
          let error = await expectError(.terraUsersUnreadable) {
            _ = try await stage.registry.reconciliations.copyTerraUsers(tenant: "acme", from: source)
          }
          #expect(error?.message.contains(words) == true && error?.message.contains("hunter2") == false)
        }
        // What was broken off holds nothing up.
        let copied = try await stage.count("provider_listing WHERE outcome = 'copied'")
        let run = try await stage.registry.reconciliations.run(tenant: "acme")
        #expect(copied == 0 && run.outcome == .complete)
      }
    }
  }

  @Test(
    arguments: [
      ("active", true), ("Active", true), ("deauth", false), ("user_reauth", false), ("access_revoked", false),
      ("processing", nil), ("", nil), (nil, nil),
    ] as [(String?, Bool?)])
  func aStateSaysAliveOrEndedOrNothing(state: String?, isActive: Bool?) throws {
    let row = try #require(
      TerraUsersRow(userID: "u", referenceID: "", resource: "fitbit", scopes: nil, state: state))
    #expect(row.isActive == isActive && row.referenceID == nil && row.resource == "FITBIT")
    for id in [nil, "", String(repeating: "x", count: 257)] {
      #expect(TerraUsersRow(userID: id, referenceID: nil, resource: nil, scopes: nil, state: state) == nil)
    }
  }
}

extension Stage {
  fileprivate func finding(_ kind: FindingKind, subject: String) async throws -> Finding? {
    try await allFindings(Set(FindingStatus.allCases), includingOperators: true).first {
      $0.kind == kind && $0.subject.id == subject
    }
  }
}
