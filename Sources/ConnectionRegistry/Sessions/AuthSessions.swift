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

  private var records: AuthSessionRecords { AuthSessionRecords(database: database, keyRing: keyRing, timing: timing) }

  /// Opens a session: writes it, asks Terra, and gives out where to send the browser, or the token for the phone.
  ///
  /// The session and its attempt token are committed before Terra is asked, so that no answer of Terra's can arrive
  /// that nobody knows of.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - new: whom to connect to what, and where the browser returns.
  ///   - idempotencyKey: 1 to 255 printable characters; the same key with the same request gives the same session,
  ///     and asks Terra again only where Terra failed or was not reached. Of several at once one asks Terra.
  /// - Returns: the session with its `authURL`, which leads through the registry where the tenant binds browsers, or with
  ///   its `token`.
  /// - Throws: `tenant_unknown`, `shadow_mode`, `invalid_request`, `not_found` (the connection to replace),
  ///   `replaces_conflict` (it belongs to another app user or resource, or is made in another way),
  ///   `return_url_not_allowed`, `idempotency_conflict`, `idempotency_in_progress` while the first request with the key is
  ///   under way (or was broken off, for some seconds), `database_unavailable`, and what Terra's answer means:
  ///   `terra_request_refused`, `terra_credentials_refused`, `terra_user_limit`, `terra_endpoint_retired`,
  ///   `terra_not_set_up`, `terra_rate_limited`, `terra_timed_out`, `terra_answer_unusable`, `terra_refused`,
  ///   `terra_unavailable`.
  public func open(tenant: String, _ new: NewAuthSession, idempotencyKey: String? = nil) async throws -> AuthSession {
    let entry = try await directory.require(tenant)
    guard !entry.tenant.shadow else { throw Self.shadow }
    let opening = try AuthSessionOpening(
      new, idempotencyKey: idempotencyKey, replaced: try await replaced(new.replaces, entry.tenant),
      tenant: entry.tenant)
    guard let idempotencyKey else { return try await attempt(opening, idempotencyKey: nil, entry) }
    let requests = IdempotentRequests(database: database, directory: directory)
    let name = IdempotentRequests.Name(tenant: tenant, operation: "openSession", key: idempotencyKey)
    let claim = try await requests.claim(
      name, requestSHA256: opening.draft.requestSHA256, lease: terraDeadline + Self.leaseMargin)
    guard case .first(let claimID) = claim else {
      throw RegistryError(.idempotencyInProgress, "the first request with this Idempotency-Key is under way: try again")
    }
    let outcome: Result<AuthSession, any Error>
    do {
      outcome = .success(try await attempt(opening, idempotencyKey: idempotencyKey, entry))
    } catch let error as RegistryError where Self.isRecorded(error) {
      outcome = .failure(error)
    }
    // The session's row says from here on what a repetition gets.
    _ = await Task { try await requests.release(name, claimID) }.result
    return try outcome.get()
  }

  /// How much longer than a call to Terra an opening may take before another one with its key may begin.
  private static let leaseMargin: Duration = .seconds(15)

  /// Whether an error is of a request that was refused, or of a call to Terra whose outcome is stored.
  private static func isRecorded(_ error: RegistryError) -> Bool {
    error.code == .idempotencyConflict || RegistryError.Code(terra: error.code.description) != nil
  }

  /// Writes the session and asks Terra, unless that was done before under the key.
  private func attempt(
    _ opening: AuthSessionOpening, idempotencyKey: String?, _ entry: TenantDirectory.Entry
  ) async throws -> AuthSession {
    var sessionID = UUID.version7()
    var token = AttemptToken()
    if try await !records.begin(opening.draft, sessionID, token, entry.tenant), let idempotencyKey {
      switch try await repeated(idempotencyKey, opening, entry) {
      case .answered(let earlier, let attempt, let phone):
        return try await shown(earlier, attempt: attempt, phone: phone, entry.tenant)
      case .again(let earlier, let itsToken): (sessionID, token) = (earlier, itsToken)
      }
    }
    let phone = try await begin(sessionID, token, opening, entry)
    return try await shown(sessionID, attempt: token, phone: phone, entry.tenant)
  }

  static let shadow = RegistryError(
    .shadowMode,
    "this tenant only records, beside a live system: `registry tenant update SLUG --no-shadow` lets the registry act")

  private enum Repeated {
    case answered(UUID, AttemptToken?, phone: String?)
    case again(UUID, AttemptToken)
  }

  private func replaced(_ userID: String?, _ tenant: Tenant) async throws -> Connection? {
    guard let userID else { return nil }
    guard (try? UserID(userID)) != nil,
      let row = try await database.run(
        tenant.id, RegistryStatements.connectionShow(.uuid(tenant.id), .text(userID))
      ).rows.first
    else { throw RegistryError(.notFound, "this tenant has no such connection to replace", field: "replaces") }
    return try Connection(row: row)
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
    guard try row.decode("request_sha256", as: [UInt8].self) == opening.draft.requestSHA256 else {
      throw RegistryError(
        .idempotencyConflict, "this Idempotency-Key was used with another request: use a new key for a new session")
    }
    func opened(_ column: String) throws -> String? {
      try row.decodeIfPresent(column, as: [UInt8].self).map {
        String(decoding: try keyRing.open($0, tenantID: id, purpose: .attempt), as: UTF8.self)
      }
    }
    let sessionID = try row.decode("session_id", as: UUID.self)
    let attempt = try opened("sealed_attempt").map(AttemptToken.init(presented:))
    if !row.isNull("auth_url") { return .answered(sessionID, attempt, phone: nil) }
    if let phone = try opened("sealed_token") { return .answered(sessionID, nil, phone: phone) }
    if let attempt { return .again(sessionID, attempt) }
    let code = try row.decodeIfPresent("refused_code", as: String.self).flatMap(RegistryError.Code.init(terra:))
    throw RegistryError(
      code ?? .terraRefused, try row.decodeIfPresent("refused_reason") ?? "Terra refused this session")
  }

  /// Asks Terra, and stores what it answers; returns the token of a phone.
  private func begin(
    _ sessionID: UUID, _ token: AttemptToken, _ opening: AuthSessionOpening, _ entry: TenantDirectory.Entry
  ) async throws -> String? {
    let base = "\(publicURL)/callbacks/terra/\(entry.tenant.slug)/\(token.text)"
    do {
      let answer = try await opening.begin(
        with: entry.terraClient(deadline: terraDeadline), success: base + "/success", failure: base + "/failure")
      // In a task of its own: what Terra gave out must be known, also where the caller has gone.
      try await Task { try await records.answered(opening.draft, sessionID, answer, entry.tenant) }.value
      return answer.token
    } catch let error as TerraAPIError {
      let refusal = TerraRefusal(error, namesResource: opening.draft.resource != nil)
      try await records.refused(sessionID, refusal, entry.tenant)
      throw refusal.problem
    }
  }

  /// The session as the answer that opens it shows it.
  private func shown(
    _ sessionID: UUID, attempt: AttemptToken?, phone: String?, _ tenant: Tenant
  ) async throws -> AuthSession {
    var session = try await show(tenant: tenant.slug, sessionID)
    session.token = phone
    if session.isBound, let attempt { session.authURL = "\(publicURL)/connect/\(tenant.slug)/\(attempt.text)" }
    return session
  }

  /// How many sessions are looked at for one page of those in certain states, which are computed and stand in no column.
  static let maximumSearched = 5 * Page.maximumLimit

  /// Lists sessions with what became of each, oldest first.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - filter: which sessions. Where only certain states are wanted, a page may hold fewer rows than its limit, or none,
  ///     and is still followed by another.
  ///   - page: which part.
  /// - Returns: a page of sessions.
  /// - Throws: `tenant_unknown`, `invalid_request` for a bad page, `database_unavailable`.
  public func list(
    tenant: String, filter: AuthSessionFilter = AuthSessionFilter(), page: Page = Page()
  ) async throws -> Listed<AuthSession> {
    let entry = try await directory.require(tenant)
    let cursors = directory.cursors("sessions", of: entry.tenant.id, filter: filter.texts)
    var cursor = try cursors.position(of: page)
    guard let statuses = filter.statuses else {
      let rows = try await rows(entry.tenant, filter, after: cursor, limit: page.limit + 1)
      return Listed(rows, limit: page.limit, cursors, cursor: Self.cursor)
    }
    var found: [AuthSession] = []
    var searched = 0
    while searched < Self.maximumSearched {
      let rows = try await rows(entry.tenant, filter, after: cursor, limit: Self.searchSlice)
      searched += rows.count
      for row in rows {
        cursor = Self.cursor(row)
        guard statuses.contains(row.status) else { continue }
        found.append(row)
        if found.count == page.limit { return Listed(items: found, nextCursor: cursors.text(of: Self.cursor(row))) }
      }
      if rows.count < Self.searchSlice { return Listed(items: found, nextCursor: nil) }
    }
    return Listed(items: found, nextCursor: cursor.map(cursors.text))
  }

  private static let searchSlice = 200

  private static func cursor(_ session: AuthSession) -> Cursor {
    Cursor(at: session.createdAt, id: session.sessionID.text)
  }

  private func rows(
    _ tenant: Tenant, _ filter: AuthSessionFilter, after cursor: Cursor?, limit: Int
  ) async throws -> [AuthSession] {
    try await database.run(
      tenant.id,
      RegistryStatements.authSessionList(
        .uuid(tenant.id), .double(timing.grace(of: tenant)), .null, .text(filter.referenceID), .timestamp(cursor?.at),
        .uuid(try cursor?.uuid), .int(limit), .text(filter.resource?.uppercased()), .timestamp(filter.opened.since),
        .timestamp(filter.opened.until), filter.isLive.map { .bool($0) } ?? .null)
    ).rows.map(AuthSession.init(row:))
  }

  /// The statement for one session.
  static func one(_ tenantID: PostgresParameter, grace: PostgresParameter, _ sessionID: UUID) -> BoundStatement {
    RegistryStatements.authSessionList(
      tenantID, grace, .uuid(sessionID), .null, .null, .null, .int(1), .null, .null, .null, .null)
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
      Self.one(.uuid(entry.tenant.id), grace: .double(timing.grace(of: entry.tenant)), sessionID)
    ).rows
    guard let row = rows.first else { throw RegistryError.notFound("session") }
    return try AuthSession(row: row)
  }
}
