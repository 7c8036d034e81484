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
    /// Terra does not take what the request asks for, such as the resource: the caller's to mend.
    public static let terraRequestRefused = Code(description: "terra_request_refused", httpStatus: 400)
    /// Terra does not take the tenant's dev-id and API key: the operator's to mend.
    public static let terraCredentialsRefused = Code(description: "terra_credentials_refused", httpStatus: 502)
    /// The tenant's environment at Terra holds as many connections as it may (50 outside production).
    public static let terraUserLimit = Code(description: "terra_user_limit", httpStatus: 409)
    /// The tenant's endpoint for widget sessions is closed for its account (410): the operator's to mend.
    public static let terraEndpointRetired = Code(description: "terra_endpoint_retired", httpStatus: 502)
    /// No provider is enabled in the tenant's environment at Terra, as far as can be told: the operator's to mend.
    public static let terraNotSetUp = Code(description: "terra_not_set_up", httpStatus: 502)
    /// Terra turned the call away because there were too many.
    public static let terraRateLimited = Code(description: "terra_rate_limited", httpStatus: 503)
    /// Terra did not answer in time.
    public static let terraTimedOut = Code(description: "terra_timed_out", httpStatus: 504)
    /// What answers at the tenant's URL of Terra does not answer as Terra does: the operator's to look into.
    public static let terraAnswerUnusable = Code(description: "terra_answer_unusable", httpStatus: 502)
    /// Terra refused the call in another way.
    public static let terraRefused = Code(description: "terra_refused", httpStatus: 502)
    /// Terra could not be reached, or failed.
    public static let terraUnavailable = Code(description: "terra_unavailable", httpStatus: 502)
    /// The tenant only records, beside a live system: nothing is begun or ended for it.
    public static let shadowMode = Code(description: "shadow_mode", httpStatus: 409)
    /// PostgreSQL cannot be reached, or is out of resources.
    public static let databaseUnavailable = Code(description: "database_unavailable", httpStatus: 503)
    /// The database holds no schema of the registry.
    public static let schemaNotMigrated = Code(description: "schema_not_migrated", httpStatus: 503)
    /// The database holds a schema that this binary does not know.
    public static let schemaNewer = Code(description: "schema_newer", httpStatus: 503)
    /// A reconciliation of the tenant is under way.
    public static let alreadyRunning = Code(description: "already_running", httpStatus: 409)
    /// The finding has vanished or was repaired, so there is nothing left to acknowledge or repair.
    public static let findingResolved = Code(description: "finding_resolved", httpStatus: 409)
    /// The repair of a finding cannot be taken back: it no longer holds, something newer came, or Terra says otherwise.
    public static let repairNotUndoable = Code(description: "repair_not_undoable", httpStatus: 409)
    /// The table that Terra's SQL destination keeps cannot be read: the operator's to mend.
    public static let terraUsersUnreadable = Code(description: "terra_users_unreadable", httpStatus: 502)
    /// The connection to replace is another app user's or resource's than the request names, or is made in another way.
    public static let replacesConflict = Code(description: "replaces_conflict", httpStatus: 409)
    /// One app user was merged into another one before, or the merge would close a circle.
    public static let mergeConflict = Code(description: "merge_conflict", httpStatus: 409)
    /// An erasure could not be brought to its end in time: ask again, and it goes on.
    public static let erasureUnfinished = Code(description: "erasure_unfinished", httpStatus: 503)
    /// The receipt is of a kind that cannot be accepted, or not read again.
    public static let wrongDisposition = Code(description: "wrong_disposition", httpStatus: 409)
    /// The endpoint is disabled, so nothing can be sent to it.
    public static let endpointDisabled = Code(description: "endpoint_disabled", httpStatus: 409)
    /// There are as many of these already as there may be.
    public static let limitReached = Code(description: "limit_reached", httpStatus: 409)
    /// The API key is revoked or has ended.
    public static let keyEnded = Code(description: "key_ended", httpStatus: 409)
    /// The object has changed since the caller read it.
    public static let preconditionFailed = Code(description: "precondition_failed", httpStatus: 412)
    /// The first request with this idempotency key is under way.
    public static let idempotencyInProgress = Code(description: "idempotency_in_progress", httpStatus: 409)
    /// A secret cannot be opened with the master keys at hand.
    public static let secretUnreadable = Code(description: "secret_unreadable", httpStatus: 500)
    /// The registry failed in a way that it does not know.
    public static let internalFailure = Code(description: "internal", httpStatus: 500)

    /// The code of a refusal of Terra's that was stored; nil for any other text.
    init?(terra description: String) {
      let codes: [Code] = [
        .terraRequestRefused, .terraCredentialsRefused, .terraUserLimit, .terraEndpointRetired, .terraNotSetUp,
        .terraRateLimited, .terraTimedOut, .terraAnswerUnusable, .terraRefused, .terraUnavailable,
      ]
      guard let code = codes.first(where: { $0.description == description }) else { return nil }
      self = code
    }

    private init(description: String, httpStatus: Int) {
      self.description = description
      self.httpStatus = httpStatus
    }
  }

  /// What kind of failure it is.
  public let code: Code
  /// One sentence for a person.
  public let message: String
  /// The field of the request that is at fault, where there is one.
  public let field: String?
  /// How long to wait before trying again, where somebody said so.
  public let retryAfter: Duration?

  /// Creates an error.
  ///
  /// - Parameters:
  ///   - code: the kind of failure.
  ///   - message: one sentence for a person, without secrets or parameters.
  ///   - field: the field of the request at fault.
  ///   - retryAfter: how long to wait before trying again.
  public init(_ code: Code, _ message: String, field: String? = nil, retryAfter: Duration? = nil) {
    self.retryAfter = retryAfter
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
