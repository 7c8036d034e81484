/// Why the registry could not do what it was asked to.
///
/// Matchable by its code in `catch`: `catch RegistryError.Code.notFound`. The message is one sentence that says what
/// was wrong and what would be right; it holds no secret, no `reference_id` and no parameter.
public struct RegistryError: Error, Sendable, Hashable {
  /// A stable code, the `code` of the API's problems.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    /// The code as it stands in JSON.
    public let description: String
    /// The HTTP status with which the service answers.
    public let httpStatus: Int

    /// The API key is absent, unknown, revoked or expired.
    public static let unauthenticated = Code(description: "unauthenticated", httpStatus: 401)
    /// The API key lacks the scope.
    public static let forbidden = Code(description: "forbidden", httpStatus: 403)
    /// No tenant has this slug, or it is disabled.
    public static let tenantUnknown = Code(description: "tenant_unknown", httpStatus: 404)
    /// A tenant with this slug exists.
    public static let tenantExists = Code(description: "tenant_exists", httpStatus: 409)
    /// The object does not exist in this tenant.
    public static let notFound = Code(description: "not_found", httpStatus: 404)
    /// A field of the request cannot be taken; ``RegistryError/field`` names it.
    public static let invalidRequest = Code(description: "invalid_request", httpStatus: 400)
    /// The URL to return to is not on the tenant's allow-list.
    public static let returnURLNotAllowed = Code(description: "return_url_not_allowed", httpStatus: 400)
    /// The idempotency key was used with another request.
    public static let idempotencyConflict = Code(description: "idempotency_conflict", httpStatus: 409)
    /// Terra refused the call.
    public static let terraRefused = Code(description: "terra_refused", httpStatus: 502)
    /// Terra could not be reached, or failed.
    public static let terraUnavailable = Code(description: "terra_unavailable", httpStatus: 502)
    /// PostgreSQL cannot be reached, or is out of resources.
    public static let databaseUnavailable = Code(description: "database_unavailable", httpStatus: 503)
    /// The database holds no schema of the registry.
    public static let schemaNotMigrated = Code(description: "schema_not_migrated", httpStatus: 503)
    /// The database holds a schema that this binary does not know.
    public static let schemaNewer = Code(description: "schema_newer", httpStatus: 503)
    /// A reconciliation of the tenant is under way.
    public static let alreadyRunning = Code(description: "already_running", httpStatus: 409)
    /// The finding has vanished or was repaired, so there is nothing left to acknowledge.
    public static let findingResolved = Code(description: "finding_resolved", httpStatus: 409)
    /// A secret cannot be opened with the master keys at hand.
    public static let secretUnreadable = Code(description: "secret_unreadable", httpStatus: 500)
    /// The registry failed in a way that it does not know.
    public static let internalFailure = Code(description: "internal", httpStatus: 500)
  }

  /// What kind of failure it is.
  public let code: Code
  /// One sentence for a person.
  public let message: String
  /// The field of the request that is at fault, where there is one.
  public let field: String?

  /// Creates an error.
  ///
  /// - Parameters:
  ///   - code: the kind of failure.
  ///   - message: one sentence for a person, without secrets or parameters.
  ///   - field: the field of the request at fault.
  public init(_ code: Code, _ message: String, field: String? = nil) {
    self.code = code
    self.message = message
    self.field = field
  }

  static func invalid(_ field: String, _ message: String) -> RegistryError {
    RegistryError(.invalidRequest, message, field: field)
  }

  static func notFound(_ what: String) -> RegistryError {
    RegistryError(.notFound, "this tenant has no such \(what)")
  }
}

extension RegistryError: CustomStringConvertible {
  /// The message, with the field where there is one.
  public var description: String { field.map { "\($0): \(message)" } ?? message }
}

/// Lets `catch RegistryError.Code.notFound` match.
///
/// - Parameters:
///   - code: the code to look for.
///   - error: any error.
/// - Returns: whether the error is a ``RegistryError`` of this code.
public func ~= (code: RegistryError.Code, error: any Error) -> Bool {
  (error as? RegistryError)?.code == code
}
