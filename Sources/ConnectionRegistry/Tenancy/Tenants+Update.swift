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
    if let devID = change.devID { try Self.check(texts: [("dev_id", devID)]) }
    try Self.check(
      urls: [("terra_base_url", change.terraBaseURL), ("terra_widget_url", change.terraWidgetURL)].compactMap {
        field, value in value.map { (field, $0) }
      })
    try Self.check(durations: [
      ("grace", change.grace), ("session_expiry", change.sessionExpiry), ("horizon", change.horizon),
      ("signature_failing_after", change.signatureFailingAfter),
    ])
    try Self.check(providerEvery: change.providerEvery)
    let returnURLs = try change.returnURLs?.map {
      try ReturnURL(pattern: $0, environment: tenant.environment).text
    }
    let source = try change.terraUsers.map { try statements(for: $0, tenant) } ?? []
    _ = try await database.run(
      tenant.id, locking: [slug],
      source + [
        RegistryStatements.tenantUpdate(
          .uuid(tenant.id), returnURLs.map { .textArray($0) } ?? .null, .text(change.terraBaseURL),
          .text(change.terraWidgetURL), .double(change.grace?.inSeconds), .double(change.sessionExpiry?.inSeconds),
          .double(change.horizon?.inSeconds), .double(change.signatureFailingAfter?.inSeconds),
          change.shadow.map { .bool($0) } ?? .null, change.bindsBrowser.map { .bool($0) } ?? .null,
          .double(change.providerEvery?.inSeconds), .text(change.repair?.rawValue),
          .text(change.devID), change.terraUsers.map { .bool($0 != .nowhere) } ?? .null)
      ])
    directory.forget(slug)
    return try await show(slug)
  }

  /// Stores how `terra_users` is reached in the place of what was stored before.
  private func statements(for source: TerraUsersSource, _ tenant: Tenant) throws -> [BoundStatement] {
    let (id, secretID) = (PostgresParameter.uuid(tenant.id), PostgresParameter.uuid(.version7()))
    let purpose = MasterKeyRing.Purpose.terraUsersURL
    var statements: [BoundStatement] = []
    if case .database(let url) = source {
      guard !url.isEmpty, url.utf8.count <= 4_096, !url.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
        throw RegistryError.invalid(
          "terra_users", "1 to 4,096 bytes without control characters, such as postgres://reader@db.example/terra")
      }
      let sealed = try keyRing.seal(Array(url.utf8), tenantID: tenant.id, purpose: purpose)
      statements = [RegistryStatements.tenantSecretInsert(id, secretID, .text(purpose.rawValue), .bytes(sealed))]
    }
    return statements + [RegistryStatements.tenantSecretRetire(id, .text(purpose.rawValue), secretID, .double(0))]
  }
}
