public import RegistryModel

/// Where a browser returns once Terra is done with it.
public struct SessionReturn: Sendable, Hashable {
  /// After a success.
  public var success: String
  /// After a failure.
  public var failure: String

  /// Names the two URLs; both must be on the tenant's allow-list.
  ///
  /// - Parameters:
  ///   - success: where the browser returns after a success.
  ///   - failure: where the browser returns after a failure.
  public init(success: String, failure: String) {
    self.success = success
    self.failure = failure
  }
}

extension AuthSessions {
  /// Opens a session for an app user.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - referenceID: the app user's id at the team: opaque, stable, 1 to 1,024 bytes; nil for an anonymous attempt.
  ///   - resource: the provider; nil lets the person choose in Terra's widget.
  ///   - urls: where the browser returns.
  ///   - idempotencyKey: as for ``open(tenant:_:idempotencyKey:)``.
  /// - Returns: the session with its `authURL`.
  /// - Throws: as ``open(tenant:_:idempotencyKey:)``.
  public func open(
    tenant: String, referenceID: String?, resource: Resource? = nil, returnTo urls: SessionReturn,
    idempotencyKey: String? = nil
  ) async throws -> AuthSession {
    try await open(
      tenant: tenant,
      NewAuthSession(
        referenceID: referenceID, resource: resource?.rawValue, success: urls.success, failure: urls.failure),
      idempotencyKey: idempotencyKey)
  }
}
