@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
@testable import TerraSandbox
import TestDatabase
import Testing

/// What a repair makes good is what the webhook would have made.
@Suite(.migratedDatabase) struct TwinTests {
  /// A tenant's only connection, its app user and their tags, but for ids that are drawn, times and order keys, which are
  /// times.
  private static func rows(_ stage: Stage, _ slug: String) async throws -> [String] {
    var rows: [String] = []
    for (table, left) in [
      ("connection", "'user_id'"), ("app_user", "''"),
      ("tag", "CASE t.subject_type WHEN 'connection' THEN 'subject' END"),
    ] {
      rows += try await stage.texts(
        """
        SELECT '\(table) ' || (
          SELECT string_agg(f.key || '=' || coalesce(f.value, 'NULL'), ' ' ORDER BY f.key) FROM jsonb_each_text(to_jsonb(t)) f
          WHERE f.key NOT LIKE '%\\_at' AND f.key NOT LIKE '%\\_key' AND f.key NOT IN ('tenant_id', 'correction_verdict')
            AND f.key IS DISTINCT FROM \(left))
        FROM registry.\(table) t WHERE t.tenant_id = $1 ORDER BY 1
        """, [.uuid(TenantID.of(slug: slug))])
    }
    return rows
  }

  @Test func aRepairedConnectionIsTheOneThatItsWebhookWouldHaveMade() async throws {
    try await withStage(StageSettings(slugs: ["acme", "globex"])) { stage in
      var ids: [String: String] = [:]
      for slug in ["acme", "globex"] {
        ids[slug] = try await stage.sandbox.connectOutsideSession(
          tenant: slug, referenceID: "person-1", resource: "GARMIN")
      }
      let twin = try #require(ids["globex"])
      let told = Payload.auth(twin, reference: "person-1", resource: "GARMIN", scopes: TerraConnection.defaultScopes)
      try await stage.expect(told, .accepted, tenant: "globex")
      try await stage.pass()
      try await stage.letPassWithListings(seconds: 700)
      try await stage.run()
      #expect(try await stage.repair().repairs.map(\.act) == [.confirmed])
      for (slug, id) in ids {
        let tenant = PostgresParameter.uuid(TenantID.of(slug: slug))
        try await stage.owner.execute(
          "INSERT INTO registry.tag (tenant_id, subject_type, subject, key, value) VALUES ($1, 'connection', $2, 'a', 'b'), ($1, 'app_user', 'person-1', 'c', 'd')",
          [tenant, .text(id)])
      }
      let (repaired, made) = (try await Self.rows(stage, "acme"), try await Self.rows(stage, "globex"))
      #expect(repaired == made)
      #expect(made.count == 4 && made[0].contains("scopes=\(TerraConnection.defaultScopes) "), "\(made)")
      #expect(made[0].contains("reference_id=person-1 resource=GARMIN") && made[0].contains("status=active"), "\(made)")
    }
  }
}
