public import Foundation
import Logging
import RegistryModel
import RegistryPostgres
import RegistrySQL
import RegistryTerra

/// The browser's channel: records what a redirect claims and sends the browser on. A callback never creates or
/// activates a connection, because a redirect proves nothing.
public struct RedirectCallbacks: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory
  let timing: Timing

  /// The longest query that is read, in bytes.
  public static let maximumQueryBytes = 8_192
  /// The longest token that is read, in bytes.
  public static let maximumAttemptBytes = 256

  /// Records the arrival of a browser.
  ///
  /// - Parameters:
  ///   - tenant: the slug in the path.
  ///   - attempt: the token in the path, as it came.
  ///   - outcome: which of the two URLs was called.
  ///   - rawQuery: the query without its `?`, as it came.
  ///   - cookies: the values of the request's cookies by name, for sessions that are bound to their browser.
  /// - Returns: where to send the browser: to the session's own URL, which is never taken from the query. A browser that
  ///   lacks its session's cookie goes to the failure URL and gets nothing of Terra's.
  /// - Throws: `database_unavailable`.
  public func receive(
    tenant: String, attempt: String, outcome: RedirectCallback.Outcome, rawQuery: String,
    cookies: [String: String] = [:]
  ) async throws -> CallbackAnswer {
    guard attempt.utf8.count <= Self.maximumAttemptBytes, rawQuery.utf8.count <= Self.maximumQueryBytes,
      let entry = try await directory.find(tenant)
    else { return .unknown }
    let id = PostgresParameter.uuid(entry.tenant.id)
    let raw = Self.asciiQuery(rawQuery)
    let query = RedirectQuery(rawQuery: raw)
    let token = AttemptToken(presented: attempt)
    let found = try await database.run(
      entry.tenant.id, RegistryStatements.authSessionByAttempt(id, .bytes(token.sha256)))
    let session = found.rows.first
    let binding = BrowserBinding(token)
    let isBound =
      try session?.decode("is_bound", as: Bool.self) == true ? cookies[binding.name] == binding.value : nil
    // Whoever comes without the cookie makes a claim of its own, beside that of the browser that began.
    let claim = Fingerprint.sha256(of: [outcome.rawValue, attempt, raw] + (isBound == false ? ["unbound"] : []))
    // A claim about somebody who was erased is not recorded.
    let fence = ErasedSubject.fence(
      [.attempt(token.sha256)]
        + query.parameters.filter { $0.name == "user_id" }.map { .userID($0.value) }, tenantID: entry.tenant.id)
    _ = try await database.run(
      entry.tenant.id, locking: [Fingerprint.hex(claim)],
      RegistryStatements.redirectCallbackInsert(
        id, .uuid(.version7()), .bytes(token.sha256), .bytes(claim), .text(outcome.rawValue), .text(query.userID),
        .text(query.referenceID), .text(query.resource?.uppercased()), .text(query.reason),
        .textArray(query.ambiguous), .text(raw), isBound.map { .bool($0) } ?? .null, fence))
    guard let session else { return .unknown }
    if entry.tenant.shadow { return .shadowed }
    // Asked for only now: the verdict takes longer than what is written, which others wait for.
    let judged = try await database.run(
      entry.tenant.id,
      RegistryStatements.redirectCallbackList(
        id, .double(timing.grace(of: entry.tenant)), .null, .bytes(claim), .null, .null, .null, .int(1), .null, .null,
        .null, .null, .null, .null))
    guard let row = judged.rows.first else { return .unknown }
    let verdict = try RedirectCallback(row: row).verdict
    let own = "session_id=\((try session.decode("session_id", as: UUID.self)).text)&verdict=\(verdict.rawValue)"
    let isTrusted = verdict != .contradicted && isBound != false
    let column = outcome == .success && isTrusted ? "return_success" : "return_failure"
    guard let target = try session.decodeIfPresent(column, as: String.self) else { return .recorded }
    return .redirect(to: ReturnURL.appending(isTrusted ? Self.passedOn(raw) + own : own, to: target))
  }

  /// The query as it came, but for parameters that bear the names of the registry's own: whoever reads the first of
  /// two would take a forger's verdict for ours.
  private static func passedOn(_ query: String) -> String {
    query.split(separator: "&").filter { part in
      let name = part.prefix { $0 != "=" }.replacing("+", with: " ")
      return !["session_id", "verdict"].contains((name.removingPercentEncoding ?? String(name)).lowercased())
    }.map { $0 + "&" }.joined()
  }

  /// Lists callbacks, oldest first.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - filter: which callbacks.
  ///   - page: which part.
  /// - Returns: a page of callbacks with their verdicts.
  /// - Throws: `tenant_unknown`, `invalid_request` for a bad page, `database_unavailable`.
  public func list(
    tenant: String, filter: RedirectCallbackFilter = RedirectCallbackFilter(), page: Page = Page()
  ) async throws -> Listed<RedirectCallback> {
    let entry = try await directory.require(tenant)
    let cursors = directory.cursors("callbacks", of: entry.tenant.id, filter: filter.texts)
    let cursor = try cursors.position(of: page)
    let rows = try await database.run(
      entry.tenant.id,
      RegistryStatements.redirectCallbackList(
        .uuid(entry.tenant.id), .double(timing.grace(of: entry.tenant)), .null, .null, .null, .timestamp(cursor?.at),
        .uuid(try cursor?.uuid), .int(page.limit + 1), .text(filter.userID), .text(filter.outcome?.rawValue),
        .timestamp(filter.recorded.since), .timestamp(filter.recorded.until), .text(filter.referenceID),
        .text(filter.resource?.uppercased()))
    ).rows.map(RedirectCallback.init(row:))
    return Listed(rows, limit: page.limit, cursors) { Cursor(at: $0.recordedAt, id: $0.callbackID.text) }
  }

  /// Shows one callback.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - callbackID: its id.
  /// - Returns: the callback with its verdict.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func show(tenant: String, _ callbackID: UUID) async throws -> RedirectCallback {
    let entry = try await directory.require(tenant)
    let rows = try await database.run(
      entry.tenant.id,
      Self.one(.uuid(entry.tenant.id), grace: .double(timing.grace(of: entry.tenant)), callbackID)
    ).rows
    guard let row = rows.first else { throw RegistryError.notFound("callback") }
    return try RedirectCallback(row: row)
  }

  /// The statement for one callback.
  static func one(_ tenantID: PostgresParameter, grace: PostgresParameter, _ callbackID: UUID) -> BoundStatement {
    RegistryStatements.redirectCallbackList(
      tenantID, grace, .uuid(callbackID), .null, .null, .null, .null, .int(1), .null, .null, .null, .null, .null, .null)
  }

  /// What a browser sends beyond printable ASCII is percent-encoded, so that the query can be stored and sent on.
  private static func asciiQuery(_ query: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var text: [UInt8] = []
    for byte in query.utf8 {
      if byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "#") {
        text.append(byte)
      } else {
        text += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: text, as: UTF8.self)
  }
}
