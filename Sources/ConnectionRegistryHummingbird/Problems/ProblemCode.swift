import ConnectionRegistry
import HTTPTypes

/// The stable code of a problem, with its status and when it occurs. `docs/api.md` lists them all.
struct ProblemCode: Sendable, Hashable {
  let code: String
  let status: Int
  /// When it occurs and what to do, as one sentence.
  let meaning: String

  init(_ status: Int, _ code: String, _ meaning: String) {
    self.status = status
    self.code = code
    self.meaning = meaning
  }

  private init(_ code: RegistryError.Code, _ meaning: String) {
    self.init(code.httpStatus, code.description, meaning)
  }

  static let invalidRequest = ProblemCode(
    .invalidRequest, "A parameter, a header or a member of the body cannot be taken; `field` names it.")
  static let invalidJSON = ProblemCode(400, "invalid_json", "The body is not JSON in UTF-8.")
  static let returnURLNotAllowed = ProblemCode(
    .returnURLNotAllowed, "The URL to return to is not on the tenant's allow-list.")
  static let unauthenticated = ProblemCode(
    .unauthenticated, "The API key is absent, unknown, revoked or expired, or its tenant is disabled.")
  static let forbidden = ProblemCode(.forbidden, "The API key lacks the scope that this operation needs.")
  static let notFound = ProblemCode(.notFound, "There is no such object in this tenant.")
  static let tenantUnknown = ProblemCode(.tenantUnknown, "No tenant has this slug, or it was just disabled.")
  static let methodNotAllowed = ProblemCode(
    405, "method_not_allowed", "The path is known, the method is not; `Allow` lists those that are.")
  static let bodyTimedOut = ProblemCode(408, "body_timed_out", "The request's body did not arrive in time.")
  static let tenantExists = ProblemCode(.tenantExists, "A tenant with this slug exists.")
  static let idempotencyConflict = ProblemCode(
    .idempotencyConflict, "The `Idempotency-Key` was used with another request: use a new one.")
  static let idempotencyInProgress = ProblemCode(
    .idempotencyInProgress, "The first request with this `Idempotency-Key` is under way: try again shortly.")
  static let mergeConflict = ProblemCode(
    .mergeConflict, "The app user was merged into another before, or, for a merge, the other into this one.")
  static let erasureUnfinished = ProblemCode(
    .erasureUnfinished, "Others write for too long: ask again, and the erasure goes on where it stopped.")
  static let replacesConflict = ProblemCode(
    .replacesConflict,
    "The connection to replace is another app user's or resource's, or is made in another way; `detail` says which.")
  static let wrongDisposition = ProblemCode(
    .wrongDisposition,
    "Only a receipt in quarantine can be accepted, and only an unreadable one or one of unknown type replayed.")
  static let endpointDisabled = ProblemCode(
    .endpointDisabled, "The endpoint is disabled, so nothing is sent to it: enable it first.")
  static let limitReached = ProblemCode(
    .limitReached, "There are as many of these already as there may be; `detail` says how many.")
  static let keyEnded = ProblemCode(.keyEnded, "The API key is revoked or has ended: create a new one.")
  static let alreadyRunning = ProblemCode(.alreadyRunning, "A reconciliation of this tenant is under way.")
  static let findingResolved = ProblemCode(
    .findingResolved, "The finding is resolved: there is nothing to acknowledge.")
  static let repairNotUndoable = ProblemCode(
    .repairNotUndoable,
    "The repair no longer holds, something newer was recorded, or Terra says otherwise; `detail` says which.")
  static let preconditionFailed = ProblemCode(
    .preconditionFailed, "The object has changed since the `ETag` in `If-Match` was given: read it again.")
  static let contentTooLarge = ProblemCode(413, "content_too_large", "The body is larger than the operation takes.")
  static let uriTooLong = ProblemCode(414, "uri_too_long", "The path and the query together are too long.")
  static let unsupportedMediaType = ProblemCode(
    415, "unsupported_media_type", "The body's type is not the one that the operation takes, or not in UTF-8.")
  static let rateLimited = ProblemCode(
    429, "rate_limited", "The API key has made too many requests: wait as long as `Retry-After` says.")
  static let headersTooLarge = ProblemCode(431, "headers_too_large", "The request's headers are too large.")
  static let internalFailure = ProblemCode(
    .internalFailure, "The registry failed; its log says why, under the problem's `request_id`.")
  static let secretUnreadable = ProblemCode(
    .secretUnreadable, "A sealed secret cannot be opened with the master keys at hand.")
  static let terraRequestRefused = ProblemCode(
    .terraRequestRefused, "Terra does not take what was asked for, such as the resource: mend the request.")
  static let shadowMode = ProblemCode(
    .shadowMode, "The tenant only records, beside a live system: nothing is begun or ended for it.")
  static let terraUsersUnreadable = ProblemCode(
    .terraUsersUnreadable, "The table that Terra's SQL destination keeps cannot be read; `detail` says why.")
  static let terraUserLimit = ProblemCode(
    .terraUserLimit, "The environment at Terra holds as many connections as it may (50 outside production).")
  static let terraAnswerUnusable = ProblemCode(
    .terraAnswerUnusable, "What answers at the tenant's URLs of Terra is not Terra: the operator should check them.")
  static let terraCredentialsRefused = ProblemCode(
    .terraCredentialsRefused, "Terra refuses the tenant's dev-id and API key: the operator should check them.")
  static let terraEndpointRetired = ProblemCode(
    .terraEndpointRetired, "The tenant's widget endpoint is closed: the operator should set the newer one.")
  static let terraNotSetUp = ProblemCode(
    .terraNotSetUp, "Terra failed as it does where no provider is enabled: the operator should enable one.")
  static let terraRefused = ProblemCode(.terraRefused, "Terra refused the call; `detail` says why.")
  static let terraUnavailable = ProblemCode(
    .terraUnavailable, "Terra could not be reached, or failed: try again, with the same `Idempotency-Key`.")
  static let terraRateLimited = ProblemCode(
    .terraRateLimited, "Terra turned the call away: try again after `Retry-After`.")
  static let terraTimedOut = ProblemCode(
    .terraTimedOut, "Terra did not answer in time: try again, with the same `Idempotency-Key`.")
  static let databaseUnavailable = ProblemCode(
    .databaseUnavailable, "PostgreSQL cannot be reached: try again after `Retry-After`.")
  static let schemaNotMigrated = ProblemCode(.schemaNotMigrated, "The database lacks a part of the schema.")
  static let schemaNewer = ProblemCode(.schemaNewer, "The database holds what this version does not know.")
  static let timedOut = ProblemCode(
    503, "timed_out", "The registry could not answer in time: try again after `Retry-After`.")

  /// All codes, by status.
  static let all: [ProblemCode] = [
    invalidRequest, invalidJSON, returnURLNotAllowed, terraRequestRefused, unauthenticated, forbidden, notFound,
    tenantUnknown, methodNotAllowed, bodyTimedOut, tenantExists, idempotencyConflict, idempotencyInProgress,
    alreadyRunning, findingResolved, repairNotUndoable, mergeConflict, replacesConflict, wrongDisposition,
    endpointDisabled, limitReached,
    keyEnded, shadowMode,
    terraUserLimit, preconditionFailed,
    contentTooLarge, uriTooLong, unsupportedMediaType, rateLimited, headersTooLarge, internalFailure, secretUnreadable,
    terraAnswerUnusable, terraCredentialsRefused, terraEndpointRetired, terraNotSetUp, terraRefused, terraUnavailable,
    terraUsersUnreadable, databaseUnavailable, schemaNotMigrated, schemaNewer, terraRateLimited, erasureUnfinished,
    timedOut, terraTimedOut,
  ]

  /// What may go wrong with every operation that asks Terra.
  static let ofCallsToTerra: [ProblemCode] = [
    terraRequestRefused, terraAnswerUnusable, terraCredentialsRefused, terraEndpointRetired, terraNotSetUp,
    terraRefused,
    terraUnavailable, terraRateLimited, terraTimedOut,
  ]

  /// What may go wrong with every operation of `/v1`.
  static let ofEveryOperation: [ProblemCode] = [
    invalidRequest, unauthenticated, forbidden, tenantUnknown, uriTooLong, rateLimited, headersTooLarge,
    internalFailure, databaseUnavailable, schemaNotMigrated, schemaNewer, timedOut,
  ]
}
