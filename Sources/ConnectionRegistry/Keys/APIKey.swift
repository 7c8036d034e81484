public import Foundation

/// What the holder of an API key may do, inside its tenant.
public enum APIKeyScope: String, Sendable, Hashable, CaseIterable, Codable {
  /// Open sessions.
  case sessionsWrite = "sessions:write"
  /// Read connections, app users and sessions.
  case connectionsRead = "connections:read"
  /// Act on connections.
  case connectionsWrite = "connections:write"
  /// Put in events from other channels.
  case eventsIngest = "events:ingest"
  /// Read findings and reconciliation runs.
  case findingsRead = "findings:read"
  /// Acknowledge and repair findings.
  case findingsWrite = "findings:write"
  /// Everything inside the tenant.
  case admin
}

/// A tenant's key to the registry, without the key itself.
public struct APIKey: Sendable, Hashable, Codable {
  /// The key's id, with which it is revoked.
  public var keyID: UUID
  /// What the key is for, as its maker named it.
  public var name: String
  /// What it may do.
  public var scopes: [APIKeyScope]
  /// When it was made.
  public var createdAt: Date
  /// When it ends; nil is never.
  public var expiresAt: Date?
  /// When it was revoked; nil while it holds.
  public var revokedAt: Date?
  /// When it was last used, to the minute.
  public var lastUsedAt: Date?
}

/// A key that was just made; its text is shown this once.
public struct NewAPIKey: Sendable, Hashable, Codable {
  /// The key as stored.
  public var key: APIKey
  /// The text to present as a bearer token.
  public var secret: String
}

/// What a presented key gives.
public struct APIKeyGrant: Sendable, Hashable {
  /// The tenant's slug.
  public var tenant: String
  /// The key's id.
  public var keyID: UUID
  /// What it may do.
  public var scopes: Set<APIKeyScope>

  /// Demands a scope.
  ///
  /// - Parameter scope: what is about to be done; `admin` includes everything.
  /// - Throws: `forbidden`, naming the scope that is lacking.
  public func require(_ scope: APIKeyScope) throws(RegistryError) {
    guard scopes.contains(scope) || scopes.contains(.admin) else {
      throw RegistryError(.forbidden, "this API key lacks the scope \(scope.rawValue)")
    }
  }
}
