@testable import ConnectionRegistry
import Foundation
import RegistryPostgres
import Testing

extension Stage {
  /// What a tenant has, by table: every table that the schema has.
  func contents(of slug: String) async throws -> [String] {
    let tables = try await texts(
      """
      SELECT table_name::text FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
      WHERE table_schema = 'registry' AND column_name = 'tenant_id' AND table_type = 'BASE TABLE'
        AND table_name <> 'api_key'
      """)
    for table in ["endpoint", "delivery", "webhook_receipt", "change_consumer", "auth_session", "connection", "tenant"]
    {
      #expect(tables.contains(table))
    }
    // The keys themselves change as they are used.
    let keys = """
      SELECT 'api_key ' || count(*) || ' ' || count(k.revoked_at) || ' ' || count(k.expires_at) AS n
      FROM registry.api_key k JOIN registry.tenant t ON t.tenant_id = k.tenant_id WHERE t.slug = $1
      """
    let contents = tables.map { table in
      """
      SELECT '\(table) ' || count(*) || ' ' || md5(coalesce(string_agg(x::text, '|' ORDER BY x::text), '')) AS n
      FROM registry.\(table) x JOIN registry.tenant t ON t.tenant_id = x.tenant_id WHERE t.slug = $1
      """
    }
    return try await texts((contents + [keys]).joined(separator: " UNION ALL "), [.text(slug)]).sorted()
  }
}
