@testable import ConnectionRegistry
import Foundation
import RegistryPostgres
import TestDatabase
import TestRandom
import Testing

/// What a run over everything leaves out unexamined is what has no finding.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct ScreeningTests {
  private static var rounds: Int { ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1" ? 150 : 10 }

  @Test func screeningFindsWhatExaminingEverybodyFinds() async throws {
    let seed = TestSeed.take()
    try await withStage { stage in
      var screened: Int64 = 0
      var examined: Int64 = 0
      for round in 0..<Self.rounds {
        let facts = RandomFacts(seed: seed &+ UInt64(round), origin: Date().addingTimeInterval(-9 * 86_400))
        try await stage.replace(with: facts)
        let all = try await stage.registry.reconciliations.run(tenant: "acme", isFull: true)
        let found = try await stage.standing()
        try await stage.forget(watermark: "1990-01-01")
        let each = try await stage.registry.reconciliations.run(tenant: "acme")
        let expected = try await stage.standing()
        // Which, not all: the lists are long.
        let (missed, invented) = (Set(expected).subtracting(found), Set(found).subtracting(expected))
        try #require(missed.isEmpty && invented.isEmpty, "round \(round) of seed \(seed): \(missed), \(invented)")
        #expect(!expected.isEmpty)
        screened += all.examined
        examined += each.examined
      }
      #expect(screened < examined * 9 / 10, "\(screened) of \(examined) examined: nothing is left out")
    }
  }

  /// What stands is looked at part by part; here it is the turn of none of it.
  @Test func aRunSinceTheLastOneFindsByItsFactsAloneWhatTheyChange() async throws {
    let seed = TestSeed.take()
    try await withStage { stage in
      var resolved: Int64 = 0
      for round in 0..<Self.rounds {
        let facts = RandomFacts(seed: seed &+ UInt64(round), origin: Date().addingTimeInterval(-9 * 86_400))
        try await stage.replace(with: facts.half(isFirst: true))
        _ = try await stage.registry.reconciliations.run(tenant: "acme", isFull: true)
        try await stage.insert(facts.half(isFirst: false))
        let middle = facts.middle.ISO8601Format(.init(includingFractionalSeconds: true))
        try await stage.owner.execute(
          """
          UPDATE registry.connection SET revoked_key = '9', recorded_at = $1::timestamptz + interval '1 hour',
            changed_at = $1::timestamptz + interval '1 hour'
          WHERE recorded_at < $1::timestamptz AND user_id LIKE '%7'
          """, [.text(middle)])
        // An ended id turns out to be of the same app user as its only heir; at another resource, so that they are no peers.
        try await stage.owner.execute(
          """
          UPDATE registry.connection c
          SET reference_id = h.reference_id, resource = 'POLAR', recorded_at = $1::timestamptz + interval '1 hour',
            changed_at = $1::timestamptz + interval '1 hour'
          FROM registry.connection h
          WHERE h.user_id = c.superseded_by AND c.status = 'superseded' AND (
            SELECT count(DISTINCT e.user_id) FROM registry.auth_event e WHERE e.old_user_id = c.user_id) = 1
          """, [.text(middle)])
        try await stage.owner.execute(
          """
          UPDATE registry.reconciliation_state
          SET watermark = $1::timestamptz, standing_family = 'z', standing_subject = 'z'
          """, [.text(middle)])
        resolved += try await stage.registry.reconciliations.run(tenant: "acme").resolved
        let found = try await stage.standing()
        try await stage.forget(watermark: "1990-01-01")
        _ = try await stage.registry.reconciliations.run(tenant: "acme")
        let expected = try await stage.standing()
        let (missed, invented) = (Set(expected).subtracting(found), Set(found).subtracting(expected))
        try #require(missed.isEmpty && invented.isEmpty, "round \(round) of seed \(seed): \(missed), \(invented)")
      }
      #expect(resolved > 0)
    }
  }
}

extension Stage {
  /// The findings that stand, as text.
  func standing() async throws -> [String] {
    try await texts(
      """
      SELECT concat_ws(' ', f.kind, f.reason_code, f.subject_type, f.subject, f.evidence) FROM registry.finding f
      WHERE f.status = 'open' ORDER BY 1
      """)
  }

  /// Takes away what runs have left; the next one begins where it is told.
  func forget(watermark: String?) async throws {
    for table in ["finding_change", "finding", "reconciliation_subject", "reconciliation_run"] {
      try await owner.execute("DELETE FROM registry.\(table)")
    }
    try await owner.execute(
      "UPDATE registry.reconciliation_state SET watermark = $1::timestamptz", [.text(watermark)])
  }

  func replace(with facts: RandomFacts) async throws {
    try await forget(watermark: nil)
    for table in [
      "app_user_merge", "connection_change", "connection", "auth_event", "redirect_callback", "auth_session",
    ] {
      try await owner.execute("DELETE FROM registry.\(table)")
    }
    try await insert(facts)
  }

  func insert(_ facts: RandomFacts) async throws {
    try await owner.execute(
      """
      INSERT INTO registry.app_user (tenant_id, reference_id)
      SELECT t.tenant_id, 'p' || i FROM registry.tenant t, generate_series(1, 100) i ON CONFLICT DO NOTHING
      """)
    for (text, rows) in [
      (
        """
        INSERT INTO registry.auth_session (tenant_id, session_id, kind, attempt_sha256, reference_id, resource,
          return_success, return_failure, request_sha256, user_id, terra_session_id, answered_at, created_at, expires_at)
        SELECT t.tenant_id, md5('session ' || r.number)::uuid, r.kind, sha256(r.number::bytea), r.reference_id, r.resource,
          r.return_success, r.return_failure, sha256(r.number::bytea), r.user_id, r.terra_session_id, r.created_at,
          r.created_at, r.created_at + interval '15 minutes'
        FROM registry.tenant t, jsonb_to_recordset($1) AS r (number text, kind text, reference_id text, resource text,
          return_success text, return_failure text, user_id text, terra_session_id text, created_at timestamptz)
        """, facts.sessions
      ),
      (
        """
        INSERT INTO registry.redirect_callback (tenant_id, callback_id, recorded_at, attempt_sha256, claim_sha256, outcome,
          user_id, reference_id, resource, raw_query)
        SELECT t.tenant_id, md5(r::text)::uuid, r.recorded_at, sha256(r.attempt::bytea),
          sha256(r::text::bytea), r.outcome, r.user_id, r.reference_id, r.resource, ''
        FROM registry.tenant t, ROWS FROM (jsonb_to_recordset($1) AS (attempt text, outcome text, user_id text,
          reference_id text, resource text, recorded_at timestamptz)) WITH ORDINALITY
          AS r (attempt, outcome, user_id, reference_id, resource, recorded_at, ordinal)
        """, facts.callbacks
      ),
      (
        """
        INSERT INTO registry.auth_event (tenant_id, event_id, recorded_at, signed_at, occurred_at, channel, kind, type,
          user_id, old_user_id, reference_id, old_reference_id, resource, widget_session_id, body, body_sha256)
        SELECT t.tenant_id, md5(r::text)::uuid, r.recorded_at, r.occurred_at, r.occurred_at, 'webhook',
          r.kind, r.kind, r.user_id, r.old_user_id, r.reference_id, r.old_reference_id, r.resource, r.widget_session_id,
          '', ''
        FROM registry.tenant t, ROWS FROM (jsonb_to_recordset($1) AS (kind text, user_id text, old_user_id text,
          reference_id text, old_reference_id text, resource text, widget_session_id text, recorded_at timestamptz,
          occurred_at timestamptz)) WITH ORDINALITY AS r (kind, user_id, old_user_id, reference_id, old_reference_id,
          resource, widget_session_id, recorded_at, occurred_at, ordinal)
        """, facts.events
      ),
      (
        """
        INSERT INTO registry.connection (tenant_id, user_id, auth_key, alive_key, revoked_key, superseded_by, reference_id,
          resource, recorded_at, changed_at, created_at, superseded_key)
        SELECT t.tenant_id, r.user_id, r.alive_key, r.alive_key, r.revoked_key, r.superseded_by, r.reference_id,
          r.resource, r.recorded_at, r.recorded_at, r.recorded_at, r.superseded_key
        FROM registry.tenant t, jsonb_to_recordset($1) AS r (user_id text, alive_key text, revoked_key text,
          superseded_by text, reference_id text, resource text, recorded_at timestamptz, superseded_key text)
        """, facts.connections
      ),
      (
        """
        INSERT INTO registry.app_user_merge (tenant_id, reference_id, into_reference_id, recorded_at)
        SELECT t.tenant_id, r.reference_id, r.into_reference_id, r.recorded_at
        FROM registry.tenant t, jsonb_to_recordset($1) AS r (reference_id text, into_reference_id text,
          recorded_at timestamptz)
        ON CONFLICT (tenant_id, reference_id) DO UPDATE
        SET into_reference_id = excluded.into_reference_id, recorded_at = excluded.recorded_at
        """, facts.merges
      ),
    ] {
      let json = String(decoding: try JSONEncoder().encode(rows), as: UTF8.self)
      try await owner.execute(text.replacing("$1", with: "$1::jsonb"), [.text(json)])
    }
    try await owner.execute(
      """
      INSERT INTO registry.connection_change (tenant_id, user_id, sequence, to_status, cause_type, cause_id, recorded_at)
      SELECT tenant_id, user_id, 1, status, 'event', 'x', recorded_at FROM registry.connection
      WHERE status IN ('active', 'degraded')
      ON CONFLICT DO NOTHING
      """)
  }
}
