public import Foundation
import Logging
import RegistryModel
import RegistryPostgres
import RegistrySQL
import RegistryTerra

/// Attempts to connect: opened at Terra, listed, shown.
public struct AuthSessions: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory
  let keyRing: MasterKeyRing
  let timing: Timing
  let publicURL: String
  let terraDeadline: Duration
  let logger: Logger

  /// Opens a session: writes it, asks Terra, and gives out where to send the browser.
  ///
  /// The session and its attempt token are committed before Terra is asked, so that no answer of Terra's can arrive
  /// that nobody knows of.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - new: whom to connect to what, and where the browser returns.
  ///   - idempotencyKey: 1 to 255 printable characters; the same key with the same request gives the same session,
  ///     and asks Terra again only where Terra failed or was not reached.
  /// - Returns: the session with its `authURL`.
  /// - Throws: `tenant_unknown`, `invalid_request`, `return_url_not_allowed`, `idempotency_conflict`, `terra_refused`,
  ///   `terra_unavailable`, `database_unavailable`.
  public func open(tenant: String, _ new: NewAuthSession, idempotencyKey: String? = nil) async throws -> AuthSession {
    let entry = try await directory.require(tenant)
    let opening = try AuthSessionOpening(new, idempotencyKey: idempotencyKey, tenant: entry.tenant)
    let id = entry.tenant.id
    var sessionID = UUID.version7()
    var token = AttemptToken()
    let sealed = try keyRing.seal(Array(token.text.utf8), tenantID: id, purpose: .attempt)
    let expiry = timing.sessionExpiry(of: entry.tenant)
    let provisional = Date().addingTimeInterval(expiry ?? Timing.unansweredExpiry.inSeconds)
    var statements = [
      RegistryStatements.authSessionInsert(
        .uuid(id), .uuid(sessionID), .text(opening.kind.rawValue), .bytes(token.sha256), .bytes(sealed),
        .text(opening.referenceID), .text(opening.resource?.rawValue), .bool(opening.multiAuth),
        .text(opening.success), .text(opening.failure), .text(idempotencyKey), .bytes(opening.sha256),
        .timestamp(provisional))
    ]
    if let person = opening.referenceID {
      statements.append(RegistryStatements.appUserInsert(.uuid(id), .textArray([person])))
    }
    let inserted = try await database.run(id, naming: opening.referenceID, statements)
    if inserted[0].affectedRows == 0, let idempotencyKey {
      switch try await repeated(idempotencyKey, opening, entry) {
      case .answered(let earlier): return try await show(tenant: tenant, earlier)
      case .again(let earlier, let itsToken): (sessionID, token) = (earlier, itsToken)
      }
    }
    try await begin(sessionID, token, opening, entry, expiry: expiry)
    return try await show(tenant: tenant, sessionID)
  }

  private enum Repeated {
    case answered(UUID)
    case again(UUID, AttemptToken)
  }

  /// What a request gives whose idempotency key was used before.
  private func repeated(
    _ key: String, _ opening: AuthSessionOpening, _ entry: TenantDirectory.Entry
  ) async throws -> Repeated {
    let id = entry.tenant.id
    let found = try await database.run(id, RegistryStatements.authSessionByIdempotencyKey(.uuid(id), .text(key)))
    guard let row = found.rows.first else {
      throw RegistryError(.internalFailure, "a session could not be written: try again")
    }
    guard try row.decode("request_sha256", as: [UInt8].self) == opening.sha256 else {
      throw RegistryError(
        .idempotencyConflict, "this Idempotency-Key was used with another request: use a new key for a new session")
    }
    let sessionID = try row.decode("session_id", as: UUID.self)
    if !row.isNull("auth_url") { return .answered(sessionID) }
    guard let sealed = try row.decodeIfPresent("sealed_attempt", as: [UInt8].self) else {
      throw RegistryError(.terraRefused, try row.decodeIfPresent("refused_reason") ?? "Terra refused this session")
    }
    let text = try keyRing.open(sealed, tenantID: id, purpose: .attempt)
    return .again(sessionID, AttemptToken(presented: String(decoding: text, as: UTF8.self)))
  }

  private func begin(
    _ sessionID: UUID, _ token: AttemptToken, _ opening: AuthSessionOpening, _ entry: TenantDirectory.Entry,
    expiry: Double?
  ) async throws {
    let tenant = entry.tenant
    let id = PostgresParameter.uuid(tenant.id)
    let client = TerraClient(
      configuration: .init(
        developerID: tenant.devID, apiKey: entry.terraAPIKey, apiBaseURL: tenant.terraBaseURL,
        widgetSessionURL: tenant.terraWidgetURL, deadline: terraDeadline))
    let base = "\(publicURL)/callbacks/terra/\(tenant.slug)/\(token.text)"
    do {
      let answer = try await opening.begin(with: client, success: base + "/success", failure: base + "/failure")
      let lifetime = expiry ?? answer.expiresIn?.inSeconds ?? Timing.unansweredExpiry.inSeconds
      var statements = [
        RegistryStatements.authSessionAnswered(
          id, .uuid(sessionID), .text(answer.userID), .text(answer.terraSessionID), .text(answer.url),
          .timestamp(Date().addingTimeInterval(lifetime)))
      ]
      if let userID = answer.userID {
        statements += [
          opening.expectation(sessionID: sessionID).joinStatement(tenantID: tenant.id, userID: userID),
          RegistryStatements.connectionChangeAppend(
            id, .text(userID), .text("session"), .text(sessionID.text), .null),
        ]
      }
      if let terraSessionID = answer.terraSessionID {
        // Events that came before Terra's answer was stored were waiting for the session's reference_id.
        statements.append(
          RegistryStatements.connectionTakeSessionReference(id, .null, .text(terraSessionID)))
      }
      _ = try await database.run(tenant.id, locking: answer.userID.map { [$0] } ?? [], statements)
    } catch let error as TerraAPIError {
      let mayRepeat = error.isRetryable || error.code == .timedOut || error.code == .connectionLost
      let problem = Self.problem(error, mayRepeat: mayRepeat)
      _ = try await database.run(
        tenant.id,
        RegistryStatements.authSessionRefused(
          id, .uuid(sessionID), .text(problem.message), .int(error.httpStatus), .bool(mayRepeat)))
      throw problem
    }
  }

  private static func problem(_ error: TerraAPIError, mayRepeat: Bool) -> RegistryError {
    let advice =
      switch error.code {
      case .unauthorized, .forbidden: "check the tenant's dev-id and Terra API key"
      case .notFound, .badRequest: "check the resource's spelling, and that it is enabled at Terra"
      case .gone: "set the tenant's widget URL to the newer endpoint"
      case .rateLimited: "try again later"
      default: mayRepeat ? "try again with the same Idempotency-Key" : "see Terra's status"
      }
    return RegistryError(mayRepeat ? .terraUnavailable : .terraRefused, "\(error); \(advice)")
  }

  /// Lists sessions with what became of each, oldest first.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - referenceID: of this app user only.
  ///   - page: which part.
  /// - Returns: a page of sessions.
  /// - Throws: `tenant_unknown`, `invalid_request` for a bad page, `database_unavailable`.
  public func list(
    tenant: String, referenceID: String? = nil, page: Page = Page()
  ) async throws -> Listed<AuthSession> {
    let entry = try await directory.require(tenant)
    let cursor = try Cursor(page: page)
    let rows = try await database.run(
      entry.tenant.id,
      RegistryStatements.authSessionList(
        .uuid(entry.tenant.id), .double(timing.grace(of: entry.tenant)), .null, .text(referenceID),
        .timestamp(cursor?.at), .uuid(try cursor?.uuid), .int(page.limit + 1))
    ).rows.map(AuthSession.init(row:))
    return Listed(rows, limit: page.limit) { Cursor(at: $0.createdAt, id: $0.sessionID.text) }
  }

  /// Shows one session with what became of it.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - sessionID: its id.
  /// - Returns: the session.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func show(tenant: String, _ sessionID: UUID) async throws -> AuthSession {
    let entry = try await directory.require(tenant)
    let rows = try await database.run(
      entry.tenant.id,
      RegistryStatements.authSessionList(
        .uuid(entry.tenant.id), .double(timing.grace(of: entry.tenant)), .uuid(sessionID), .null, .null, .null, .int(1))
    ).rows
    guard let row = rows.first else { throw RegistryError.notFound("session") }
    return try AuthSession(row: row)
  }
}
