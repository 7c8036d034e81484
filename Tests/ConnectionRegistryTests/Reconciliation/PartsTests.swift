@testable import ConnectionRegistry
import Foundation
import RegistryPostgres
import RegistrySQL
import TestDatabase
import TestRandom
import Testing

/// What is gone through part by part is gone through as a whole.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct PartsTests {
  @Test(arguments: IndexScreening.Order.allCases)
  func partsOfAnIndexCollectWhatTheWholeCollects(_ order: IndexScreening.Order) async throws {
    let seed = TestSeed.take()
    try await withStage { stage in
      var parts = 0
      for round in 0..<5 {
        try await stage.replace(
          with: RandomFacts(seed: seed &+ UInt64(round), origin: Date().addingTimeInterval(-9 * 86_400)))
        // Several connections of one app user at one resource, and live ones of nobody in particular.
        try await stage.owner.execute("UPDATE registry.connection SET reference_id = 'p1' WHERE user_id LIKE '%1'")
        let size = 1 + Int(seed % 7) + round * 5
        let (database, id, run) = (stage.registry.database, try await stage.tenantID(), UUID.version7())
        var index = IndexScreening(order, partSize: size, tenantID: id, runID: run)
        _ = try await database.run(id, index.collect(before: nil))
        let whole = try await stage.takeSubjects()
        index.part()
        while !index.isDone {
          let end = try IndexScreening.next(try await database.run(id, index.end))
          _ = try await database.run(id, index.collect(before: end))
          index.goOn(to: end)
          parts += 1
        }
        #expect(!whole.isEmpty)
        #expect(try await stage.takeSubjects() == whole, "round \(round), parts of \(size)")
      }
      #expect(parts > 10)
    }
  }

  @Test func whatStandsComesToItsTurnAndThenAgain() async throws {
    try await withStage { stage in
      let (database, id, run) = (stage.registry.database, try await stage.tenantID(), UUID.version7())
      try await stage.owner.execute(
        """
        INSERT INTO registry.finding (tenant_id, finding_id, kind, severity, reason_code, family, subject_type, subject,
          status, evidence, first_seen_at, last_seen_at, opened_run, last_seen_run)
        SELECT t.tenant_id, gen_random_uuid(), f.kind, 'info', 'x', f.family, f.subject_type, f.subject, f.status,
          '[{"type":"user_id","id":"peer"}]', now(), now(), gen_random_uuid(), gen_random_uuid()
        FROM registry.tenant t, (VALUES
          ('unattributed', 'user_id', 'user_id', 'a', 'open'), ('reference_conflict', 'user_id', 'user_id', 'a', 'open'),
          ('unattributed', 'user_id', 'user_id', 'b', 'vanished'), ('unattributed', 'user_id', 'user_id', 'c', 'open'),
          ('duplicate_active', 'user_id', 'user_id', 'd', 'acknowledged'), ('unattributed', 'user_id', 'user_id', 'e', 'open'),
          ('stale_session', 'session', 'session', 's', 'open'), ('unknown_attempt', 'attempt', 'tenant', 'hour', 'open')
        ) AS f (kind, family, subject_type, subject, status)
        """)
      try await stage.owner.execute(
        """
        INSERT INTO registry.reconciliation_state (tenant_id, run_id, lease_id) SELECT tenant_id, $1, $1 FROM registry.tenant
        ON CONFLICT (tenant_id) DO UPDATE SET run_id = excluded.run_id, lease_id = excluded.run_id
        """, [.uuid(run)])
      try await stage.owner.execute(
        """
        INSERT INTO registry.reconciliation_run (tenant_id, run_id, window_end)
        SELECT tenant_id, $1, now() FROM registry.tenant
        """, [.uuid(run)])
      func turn() async throws -> [String] {
        _ = try await database.run(
          id,
          [
            RegistryStatements.reconciliationCollectStandingPart(.uuid(id), .uuid(run), .int(3)),
            RegistryStatements.reconciliationStandingPlace(.uuid(id), .uuid(run), .int(3)),
            RegistryStatements.reconciliationRelease(
              .uuid(id), .uuid(run), .uuid(run), .timestamp(Date()), .null, .null, .null, .int(0)),
          ])
        try await stage.owner.execute(
          "UPDATE registry.reconciliation_state SET run_id = $1, lease_id = $1", [.uuid(run)])
        return try await stage.takeSubjects()
      }
      // The summary of an hour takes its turn too, and is judged with the tokens that it counts.
      #expect(try await turn() == ["session s", "user_id a"])
      #expect(try await turn() == ["user_id c", "user_id d", "user_id e", "user_id peer"])
      #expect(try await turn() == [])
      #expect(try await turn() == ["session s", "user_id a"])
    }
  }

  /// A run since the last one looks at two of what stands, and the next at the two after; one that fails has had no turn.
  @Test func eachRunLooksAtThePartThatStandsAfterThatOfTheLastCompleteOne() async throws {
    try await withStage { stage in
      for number in 1...5 { try await stage.expect(Payload.auth("u\(number)", reference: nil), .accepted) }
      try await stage.letPass(seconds: 5_000)
      #expect(try await stage.reconcile().count == 5)
      // What was recorded then is in no window any more.
      try await stage.letPass(seconds: 5_000)
      var reconciliations = stage.registry.reconciliations
      reconciliations.limits.standing = 2
      func seen(_ run: UUID) async throws -> [String] {
        try await stage.texts(
          "SELECT subject FROM registry.finding WHERE last_seen_run = $1 ORDER BY 1", [.uuid(run)])
      }
      func turn() async throws -> [String] {
        let run = try await reconciliations.run(tenant: "acme")
        #expect(run.windowStart != nil && run.persisting == 5, "\(run)")
        return try await seen(run.runID)
      }
      #expect(try await turn() == ["u1", "u2"])
      var failing = try #require(try await reconciliations.claim(TenantID.of(slug: "acme")))
      while try await seen(failing.claim.runID).isEmpty { #expect(try await failing.step() == nil) }
      #expect(try await seen(failing.claim.runID) == ["u3", "u4"])
      try await failing.fail("it could not go on")
      #expect(try await turn() == ["u3", "u4"])
      #expect(try await turn() == ["u5"])
      #expect(try await turn() == ["u1", "u2"])
    }
  }
}

extension Stage {
  /// The tenant's id.
  fileprivate func tenantID() async throws -> UUID {
    try #require(UUID(uuidString: try await texts("SELECT tenant_id::text FROM registry.tenant")[0]))
  }

  /// What is to be examined, which is taken away.
  fileprivate func takeSubjects() async throws -> [String] {
    let subjects = try await texts("SELECT family || ' ' || subject FROM registry.reconciliation_subject ORDER BY 1")
    try await owner.execute("DELETE FROM registry.reconciliation_subject")
    return subjects
  }
}
