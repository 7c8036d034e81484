@testable import ConnectionRegistry
import Foundation
import RegistryPostgres
import RegistrySQL
import TestDatabase
import Testing

/// How the server finds what a run examines.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct PlanTests {
  /// Under row-level security a condition that may tell what it saw, such as a cast of the ids, is kept from the index:
  /// each slice of a run then read all sessions of the tenant.
  @Test func aCastKeptTheIdsOfASliceFromTheIndex() async throws {
    try await withStage { stage in
      let tenant = try #require(try await stage.texts("SELECT tenant_id::text FROM registry.tenant").first)
      let plans = try await stage.owner.withConnection { connection in
        for text in [
          """
          INSERT INTO registry.auth_session (tenant_id, session_id, kind, attempt_sha256, return_success, return_failure,
            request_sha256, expires_at)
          SELECT tenant_id, md5(i::text)::uuid, 'widget', sha256(i::text::bytea), '', '', '', now()
          FROM registry.tenant, generate_series(1, 20000) i
          """,
          """
          INSERT INTO registry.webhook_receipt (tenant_id, receipt_id, disposition, reason_code, headers, body,
            body_sha256, body_bytes)
          SELECT tenant_id, md5(i::text)::uuid, 'quarantined', 'too_old', '{}', '', '', 0
          FROM registry.tenant, generate_series(1, 20000) i
          """, "ANALYZE registry.auth_session, registry.webhook_receipt",
          "SET ROLE registry_service", "SET plan_cache_mode = force_custom_plan",
        ] {
          try await connection.execute(text)
        }
        try await connection.execute("SELECT set_config('registry.tenant_id', $1, false)", [.text(tenant)])
        let ids = (1...20).map { _ in UUID().uuidString }.joined(separator: ",")
        var plans: [String: [String]] = [:]
        for statement in [
          RegistryStatements.reconcileSessions(.null, .null, .null, .textArray([])),
          RegistryStatements.reconcileReceipts(.null, .null, .null, .textArray([])),
        ] {
          let name = statement.named.name
          try await connection.execute("PREPARE \(name) AS \(statement.named.text)")
          let plan = try await connection.execute(
            "EXPLAIN EXECUTE \(name) ('\(tenant)', gen_random_uuid(), 600, '{\(ids)}')")
          plans[name] = try plan.rows.map { try $0.decode("QUERY PLAN", as: String.self) }
        }
        return plans
      }
      #expect(plans.count == 2)
      for (name, lines) in plans {
        let all = lines.filter { $0.contains("Seq Scan on auth_session") || $0.contains("Seq Scan on webhook_receipt") }
        #expect(all.isEmpty, "\(name): \(all)")
        #expect(lines.contains { $0.contains("auth_session_pkey") || $0.contains("webhook_receipt_pkey") }, "\(name)")
      }
    }
  }

  /// A table without statistics looks as if it had one row, and min() of all as cheap as the first of an index: a run
  /// in small slices, as on a slow machine, then takes as long as the square of its subjects.
  @Test func aSliceOfATableWithoutStatisticsReadAllThatWereLeft() async throws {
    try await withStage { stage in
      let tenant = try #require(try await stage.texts("SELECT tenant_id::text FROM registry.tenant").first)
      let plans = try await stage.owner.withConnection { connection in
        for text in [
          "ALTER TABLE registry.reconciliation_subject SET (autovacuum_enabled = off)",
          "ALTER TABLE registry.auth_event SET (autovacuum_enabled = off)",
          "ALTER TABLE registry.connection SET (autovacuum_enabled = off)",
          """
          INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
          SELECT tenant_id, '\(tenant)', 'user_id', 'u' || i FROM registry.tenant, generate_series(1, 5000) i
          """,
          """
          INSERT INTO registry.auth_event (tenant_id, event_id, recorded_at, signed_at, occurred_at, channel, kind,
            type, user_id, reference_id, resource, body, body_sha256)
          SELECT t.tenant_id, gen_random_uuid(), now(), now(), now(), 'webhook', 'auth_success', 'auth', 'u' || i,
            'p' || i, 'FITBIT', '', ''
          FROM registry.tenant t, generate_series(1, 5000) i
          """,
          """
          INSERT INTO registry.connection (tenant_id, user_id, auth_key, alive_key, reference_key, reference_id,
            resource_key, resource, recorded_at, changed_at)
          SELECT t.tenant_id, 'u' || i, k.key, k.key, k.key, 'p' || i, k.key, 'FITBIT', now(), now()
          FROM registry.tenant t, generate_series(1, 5000) i, (VALUES ('0000000000000001:4:a')) k (key)
          """, "SET ROLE registry_service", "SET plan_cache_mode = force_custom_plan",
        ] {
          try await connection.execute(text)
        }
        try await connection.execute("SELECT set_config('registry.tenant_id', $1, false)", [.text(tenant)])
        var plans: [[String]] = []
        for (statement, arguments) in [
          (RegistryStatements.reconciliationSlice(.null, .null, .null), "'\(tenant)', '\(tenant)', 10"),
          (RegistryStatements.screenRepeatedEnd(.null, .null, .null, .null), "'\(tenant)', '\(tenant)', 'u1', 0"),
          (RegistryStatements.screenDuplicatesEnd(.null, .null, .null, .null), "'\(tenant)', '\(tenant)', 'p1', 0"),
        ] {
          let name = statement.named.name
          try await connection.execute("PREPARE \(name) AS \(statement.named.text)")
          let plan = try await connection.execute("EXPLAIN (ANALYZE, TIMING OFF) EXECUTE \(name) (\(arguments))")
          plans.append(try plan.rows.map { try $0.decode("QUERY PLAN", as: String.self) })
        }
        return plans
      }
      for plan in plans {
        // `… (actual rows=10 loops=1)`; since PostgreSQL 18 `rows=10.00`.
        let counts = plan.filter { $0.contains(" Scan ") }.compactMap { line in
          line.split(separator: "actual rows=").last.flatMap { Double($0.prefix { $0.isNumber || $0 == "." }) }
        }
        #expect(counts.count >= 2 && counts.allSatisfy { $0 <= 10 }, "\(plan.joined(separator: "\n"))")
      }
    }
  }
}
