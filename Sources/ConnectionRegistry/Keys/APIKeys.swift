public import Foundation
import RegistryPostgres
import RegistrySQL

/// The API keys of the tenants: made, presented, listed. Only their SHA-256 is stored.
public struct APIKeys: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory
  let uses: APIKeyUses

  /// Who the audit names where the caller names nobody.
  public static let unnamedActor = AuditEntry.unnamed

  /// Makes a key.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - name: what the key is for, 1 to 100 characters.
  ///   - scopes: what it may do, at least one.
  ///   - expiresAt: when it ends, in the future; nil is never.
  ///   - actor: who does it, for the audit.
  /// - Returns: the key, with its text, which cannot be shown again.
  /// - Throws: `tenant_unknown`, `invalid_request`, `database_unavailable`.
  public func create(
    tenant: String, name: String, scopes: Set<APIKeyScope>, expiresAt: Date? = nil,
    by actor: String = APIKeys.unnamedActor
  ) async throws -> NewAPIKey {
    guard (1...100).contains(name.count), !name.utf8.contains(where: { $0 < 0x20 }) else {
      throw RegistryError.invalid("name", "1 to 100 characters that say what the key is for")
    }
    try Self.check(expiresAt: expiresAt)
    guard !scopes.isEmpty else {
      let known = APIKeyScope.allCases.map(\.rawValue).joined(separator: ", ")
      throw RegistryError.invalid("scopes", "at least one of \(known)")
    }
    let id = try await directory.require(tenant).tenant.id
    let text = Self.newText(tenantID: id)
    let key = APIKey(
      keyID: .version7(), name: name, scopes: scopes.sorted { $0.rawValue < $1.rawValue }, createdAt: Date(),
      expiresAt: expiresAt)
    _ = try await database.run(
      id,
      [
        RegistryStatements.apiKeyInsert(
          .uuid(id), .uuid(key.keyID), .bytes(Fingerprint.sha256(text.text.utf8)), .text(name),
          .textArray(key.scopes.map(\.rawValue)), .timestamp(expiresAt)),
        AuditEntry(actor: actor, action: "api_key.create", subject: key.keyID.text).statement(tenantID: id),
      ])
    return NewAPIKey(key: key, secret: text.text)
  }

  /// Finds what a presented key gives.
  ///
  /// - Parameter presented: the text of the `Authorization: Bearer` header.
  /// - Returns: the tenant and the scopes.
  /// - Throws: `unauthenticated` for a key that is unknown, expired, revoked, or whose tenant is disabled: the same
  ///   answer for each; `database_unavailable`.
  public func authenticate(_ presented: String) async throws -> APIKeyGrant {
    let refused = RegistryError(
      .unauthenticated, "no valid API key: send `Authorization: Bearer crk_…` with a key of `registry key create`")
    guard let text = APIKeyText(presented) else { throw refused }
    let id = PostgresParameter.uuid(text.tenantID)
    let hash = PostgresParameter.bytes(Fingerprint.sha256(presented.utf8))
    let found = try await database.run(text.tenantID, RegistryStatements.apiKeyFind(id, hash))
    guard let row = found.rows.first, row.isNull("revoked_at"), row.isNull("disabled_at") else { throw refused }
    if let expiresAt = try row.decodeIfPresent("expires_at", as: Date.self), expiresAt <= Date() { throw refused }
    let keyID: UUID = try row.decode("key_id")
    if try row.decode("is_use_due", as: Bool.self) { uses.note(keyID, of: text.tenantID, sha256: hash) }
    return APIKeyGrant(
      tenant: try row.decode("slug"), keyID: keyID,
      scopes: Set(try row.decode("scopes", as: [String].self).compactMap(APIKeyScope.init(rawValue:))))
  }

  /// Lists a tenant's keys, without their texts.
  ///
  /// - Parameter tenant: the tenant's slug.
  /// - Returns: up to ``Page/maximumLimit`` keys, oldest first, expired and revoked ones too.
  /// - Throws: `tenant_unknown`, `database_unavailable`.
  public func list(tenant: String) async throws -> [APIKey] {
    try await list(tenant: tenant, page: Page(limit: Page.maximumLimit)).items
  }

  /// Lists a tenant's keys by page, without their texts.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - created: made in this span only.
  ///   - page: which part.
  /// - Returns: a page of keys, oldest first, expired and revoked ones too.
  /// - Throws: `tenant_unknown`, `invalid_request` for a bad page, `database_unavailable`.
  public func list(
    tenant: String, created: TimeRange = TimeRange(), page: Page
  ) async throws -> Listed<APIKey> {
    let id = try await directory.require(tenant).tenant.id
    let cursors = directory.cursors("api_keys", of: id, filter: created.texts)
    let cursor = try cursors.position(of: page)
    let rows = try await database.run(
      id,
      RegistryStatements.apiKeyList(
        .uuid(id), .null, .timestamp(cursor?.at), .uuid(try cursor?.uuid), .int(page.limit + 1),
        .timestamp(created.since),
        .timestamp(created.until))
    ).rows.map(APIKey.init(row:))
    return Listed(rows, limit: page.limit, cursors) { Cursor(at: $0.createdAt, id: $0.keyID.text) }
  }

  /// The statement for one key.
  static func one(_ tenantID: PostgresParameter, _ keyID: UUID) -> BoundStatement {
    RegistryStatements.apiKeyList(tenantID, .uuid(keyID), .null, .null, .int(1), .null, .null)
  }

  static func newText(tenantID: UUID) -> APIKeyText {
    var generator = SystemRandomNumberGenerator()
    return APIKeyText(
      tenantID: tenantID, random: (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
  }

  static func check(expiresAt: Date?) throws(RegistryError) {
    guard let expiresAt else { return }
    guard expiresAt > Date(), expiresAt < Date(timeIntervalSince1970: 253_402_300_800) else {
      throw RegistryError.invalid("expires_at", "a key ends in the future, before the year 10000, or never")
    }
  }
}

extension APIKey {
  init(row: PostgresRow) throws {
    self.init(
      keyID: try row.decode("key_id"), name: try row.decode("name"),
      scopes: try row.decode("scopes", as: [String].self).compactMap(APIKeyScope.init(rawValue:)),
      createdAt: try row.decode("created_at"), expiresAt: try row.decodeIfPresent("expires_at"),
      revokedAt: try row.decodeIfPresent("revoked_at"), lastUsedAt: try row.decodeIfPresent("last_used_at"))
  }
}
