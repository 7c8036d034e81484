@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import TestDatabase
import Testing

/// A run over a tenant that the planner knows nothing of yet, as after a restore or in the first minutes.
@Suite(.migratedDatabase) struct ScaleTests {
  /// Plans that compare all with all take over two minutes here; look-ups take some seconds.
  @Test(.timeLimit(.minutes(4))) func aTableWithoutStatisticsIsJudgedByLookUps() async throws {
    try await withStage { stage in
      for table in ["connection", "connection_change", "auth_event"] {
        try await stage.owner.execute("ALTER TABLE registry.\(table) SET (autovacuum_enabled = off)")
      }
      for text in [
        """
        INSERT INTO registry.auth_event (tenant_id, event_id, recorded_at, signed_at, occurred_at, channel, kind, type,
          user_id, reference_id, resource, body, body_sha256)
        SELECT t.tenant_id, gen_random_uuid(), now() - interval '1 day', now(), now() - interval '1 day', 'webhook',
          'auth_success', 'auth', 'u' || i, 'p' || i / 2, 'FITBIT', '', ''
        FROM registry.tenant t, generate_series(1, 60000) i
        """,
        """
        INSERT INTO registry.connection (tenant_id, user_id, auth_key, alive_key, reference_key, reference_id,
          resource_key, resource, recorded_at)
        SELECT t.tenant_id, 'u' || i, k.key, k.key, k.key, 'p' || i / 2, k.key, 'FITBIT', now() - interval '1 day'
        FROM registry.tenant t, generate_series(1, 60000) i, (VALUES ('0000000000000001:4:a')) k (key)
        """,
        """
        INSERT INTO registry.connection_change (tenant_id, user_id, sequence, to_status, cause_type, cause_id, recorded_at)
        SELECT tenant_id, user_id, 1, 'active', 'event', 'x', recorded_at FROM registry.connection
        """,
      ] {
        _ = try await stage.owner.execute(PostgresStatement(text), deadline: .now + .seconds(60))
      }
      let start = ContinuousClock.now
      let run = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(run.examined == 60_001)
      #expect(run.foundNew == 29_999)
      #expect(ContinuousClock.now - start < .seconds(75))
    }
  }
}
