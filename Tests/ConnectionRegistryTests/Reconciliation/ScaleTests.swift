@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import TestDatabase
import Testing

/// A run over a tenant that the planner knows nothing of yet, as after a restore or in the first minutes.
@Suite(.migratedDatabase) struct ScaleTests {
  /// Plans that compare all with all take a hundred times as long as look-ups do, which a table with statistics gets.
  @Test(.timeLimit(.minutes(20))) func aTableWithoutStatisticsIsJudgedByLookUps() async throws {
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
          resource_key, resource, recorded_at, changed_at)
        SELECT t.tenant_id, 'u' || i, k.key, k.key, k.key, 'p' || i / 2, k.key, 'FITBIT', now() - interval '1 day',
          now() - interval '1 day'
        FROM registry.tenant t, generate_series(1, 60000) i, (VALUES ('0000000000000001:4:a')) k (key)
        """,
        """
        INSERT INTO registry.connection_change (tenant_id, user_id, sequence, to_status, cause_type, cause_id, recorded_at)
        SELECT tenant_id, user_id, 1, 'active', 'event', 'x', recorded_at FROM registry.connection
        """,
      ] {
        _ = try await stage.owner.execute(PostgresStatement(text), deadline: .now + .seconds(600))
      }
      let without = try await Self.processorTime(stage) {
        let run = try await stage.registry.reconciliations.run(tenant: "acme")
        // All but the first and the last share their app user with another; and the tenant itself.
        #expect(run.examined == 59_999)
        #expect(run.foundNew == 29_999)
      }
      _ = try await stage.owner.execute(PostgresStatement("ANALYZE"), deadline: .now + .seconds(600))
      let with = try await Self.processorTime(stage) {
        let run = try await stage.registry.reconciliations.run(tenant: "acme", isFull: true)
        #expect(run.foundNew == 0)
      }
      #expect(with > 0 && without < with * 8, "\(without) s, \(with) s")
    }
  }

  /// How long the server's processors work for this database while a closure runs, in seconds; unlike the time that passes,
  /// it does not tell what else they do.
  private static func processorTime(_ stage: Stage, _ body: () async throws -> Void) async throws -> Double {
    let before = try await processorTimes(stage)
    try await body()
    // A process that was begun meanwhile had used nothing.
    return try await processorTimes(stage).reduce(0) { $0 + $1.value - (before[$1.key] ?? 0) }
  }

  /// The processor time of each of the server's processes, in seconds (proc(5): `utime` and `stime`).
  private static func processorTimes(_ stage: Stage) async throws -> [String: Double] {
    let processes = try await stage.texts("SELECT pid::text FROM pg_stat_activity WHERE datname = current_database()")
    var times: [String: Double] = [:]
    for process in processes {
      // One that has ended meanwhile is left out.
      guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { continue }
      let fields = stat.drop { $0 != ")" }.split(separator: " ")
      guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { continue }
      times[process] = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
    return times
  }
}
