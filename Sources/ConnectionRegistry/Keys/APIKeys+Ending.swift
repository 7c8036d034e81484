public import Foundation
import RegistryPostgres
import RegistrySQL

extension APIKeys {
  /// How long at most a key may go on beside its successor.
  public static let maximumOverlap: Duration = .seconds(90 * 86_400)

  /// Shows one key, without its text.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - keyID: its id.
  /// - Returns: the key.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func show(tenant: String, _ keyID: UUID) async throws -> APIKey {
    let id = try await directory.require(tenant).tenant.id
    return try await find(id, keyID)
  }

  /// Ends a key at once. To revoke a revoked one changes nothing.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - keyID: its id.
  ///   - actor: who does it, for the audit.
  /// - Returns: the key, revoked.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func revoke(tenant: String, _ keyID: UUID, by actor: String) async throws -> APIKey {
    let id = try await directory.require(tenant).tenant.id
    let results = try await database.run(
      id, locking: [keyID.text],
      [
        RegistryStatements.apiKeyRevoke(.uuid(id), .uuid(keyID)),
        Self.one(.uuid(id), keyID),
        AuditEntry(actor: actor, action: "api_key.revoke", subject: keyID.text).statement(tenantID: id),
      ])
    guard let row = results[1].rows.first else { throw RegistryError.notFound("API key") }
    return try APIKey(row: row)
  }

  /// Makes a key's successor, with its name and scopes, while the key itself goes on for a while.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - keyID: the key to replace.
  ///   - overlap: how long it goes on, up to ``maximumOverlap``; zero ends it at once.
  ///   - expiry: when the successor ends; where nothing is said it lives as long as the key itself was to live.
  ///   - actor: who does it, for the audit.
  /// - Returns: the successor, with its text, which cannot be shown again.
  /// - Throws: `tenant_unknown`, `not_found`, `key_ended` for a key that is revoked or has ended, `invalid_request`,
  ///   `database_unavailable`.
  public func rotate(
    tenant: String, _ keyID: UUID, overlap: Duration, expiry: SuccessorExpiry = .asBefore, by actor: String
  ) async throws -> NewAPIKey {
    guard overlap >= .zero, overlap <= Self.maximumOverlap else {
      throw RegistryError.invalid("overlap", "from 0 to 90 days")
    }
    var expiresAt: Date?
    if case .at(let end) = expiry { expiresAt = end }
    try Self.check(expiresAt: expiresAt)
    let id = try await directory.require(tenant).tenant.id
    let (successorID, text) = (UUID.version7(), Self.newText(tenantID: id))
    let end = Date().addingTimeInterval(overlap / .seconds(1))
    let tenantID = PostgresParameter.uuid(id)
    let results = try await database.run(
      id, locking: [keyID.text],
      [
        RegistryStatements.apiKeyRotate(
          tenantID, .uuid(keyID), .uuid(successorID), .bytes(Fingerprint.sha256(text.text.utf8)), .timestamp(expiresAt),
          .bool(expiry == .asBefore)),
        RegistryStatements.apiKeyEnd(tenantID, .uuid(keyID), .timestamp(end), .uuid(successorID)),
        Self.one(tenantID, successorID),
        AuditEntry(
          actor: actor, action: "api_key.rotate", subject: keyID.text, detail: ["successor": successorID.text]
        ).statement(tenantID: id),
      ])
    guard let row = results[2].rows.first else {
      _ = try await find(id, keyID)
      throw RegistryError(.keyEnded, "this key is revoked or has ended: create a new one")
    }
    return NewAPIKey(key: try APIKey(row: row), secret: text.text)
  }

  private func find(_ id: UUID, _ keyID: UUID) async throws -> APIKey {
    let rows = try await database.run(
      id, Self.one(.uuid(id), keyID)
    ).rows
    guard let row = rows.first else { throw RegistryError.notFound("API key") }
    return try APIKey(row: row)
  }
}
