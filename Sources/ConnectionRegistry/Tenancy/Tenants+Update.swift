import RegistryPostgres
import RegistrySQL

extension Tenants {
  /// Changes a tenant; other processes notice within seconds.
  ///
  /// - Parameters:
  ///   - slug: the tenant's name.
  ///   - change: what to change.
  /// - Returns: the tenant as it is then.
  /// - Throws: `tenant_unknown`, `invalid_request`, `return_url_not_allowed` for a URL that can never be returned to,
  ///   `database_unavailable`.
  public func update(_ slug: String, _ change: TenantChange) async throws -> Tenant {
    let tenant = try await show(slug)
    try Self.check(
      urls: [("terra_base_url", change.terraBaseURL), ("terra_widget_url", change.terraWidgetURL)].compactMap {
        field, value in value.map { (field, $0) }
      })
    try Self.check(durations: [
      ("grace", change.grace), ("session_expiry", change.sessionExpiry), ("horizon", change.horizon),
      ("signature_failing_after", change.signatureFailingAfter),
    ])
    let returnURLs = try change.returnURLs?.map {
      try ReturnURL(pattern: $0, environment: tenant.environment).text
    }
    _ = try await database.run(
      tenant.id,
      RegistryStatements.tenantUpdate(
        .uuid(tenant.id), returnURLs.map { .textArray($0) } ?? .null, .text(change.terraBaseURL),
        .text(change.terraWidgetURL), .double(change.grace?.inSeconds), .double(change.sessionExpiry?.inSeconds),
        .double(change.horizon?.inSeconds), .double(change.signatureFailingAfter?.inSeconds),
        change.shadow.map { .bool($0) } ?? .null, change.bindsBrowser.map { .bool($0) } ?? .null))
    directory.forget(slug)
    return try await show(slug)
  }
}
