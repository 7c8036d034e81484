import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL
import RegistryTerra

/// Writes sessions: before Terra is asked, so that no answer of Terra's can arrive that nobody knows of, and after it
/// has answered.
struct AuthSessionRecords: Sendable {
  /// A session that is about to be begun.
  struct Draft: Sendable {
    var kind: AuthSession.Kind
    var channel: AuthSession.Channel = .api
    var referenceID: String?
    var resource: Resource?
    var multiAuth = false
    var success: String?
    var failure: String?
    var replaces: String?
    var isBound = false
    var idempotencyKey: String?
    /// Of the request, so that an idempotency key can be held against it.
    var requestSHA256: [UInt8]
  }

  /// What Terra gave.
  struct Answer: Sendable {
    var userID: String?
    var terraSessionID: String?
    var url: String?
    var token: String?
    var expiresIn: Duration?
  }

  let database: RegistryDatabase
  let keyRing: MasterKeyRing
  let timing: Timing

  /// Commits a session with the hash of its attempt token.
  ///
  /// - Returns: whether it was written; not where its idempotency key was used before.
  func begin(_ draft: Draft, _ sessionID: UUID, _ token: AttemptToken, _ tenant: Tenant) async throws -> Bool {
    let id = PostgresParameter.uuid(tenant.id)
    let sealed = try keyRing.seal(Array(token.text.utf8), tenantID: tenant.id, purpose: .attempt)
    let life = timing.sessionExpiry(of: tenant) ?? Timing.unansweredExpiry.inSeconds
    var statements = [
      RegistryStatements.authSessionInsert(
        id, .uuid(sessionID), .text(draft.kind.rawValue), .bytes(token.sha256), .bytes(sealed),
        .text(draft.referenceID), .text(draft.resource?.rawValue), .bool(draft.multiAuth), .text(draft.success),
        .text(draft.failure), .text(draft.idempotencyKey), .bytes(draft.requestSHA256),
        .timestamp(timing.now().addingTimeInterval(life)), .text(draft.channel.rawValue), .text(draft.replaces),
        .bool(draft.isBound), ErasedSubject.fence(draft.replaces.map { [.userID($0)] } ?? [], tenantID: tenant.id))
    ]
    if let person = draft.referenceID {
      statements.append(RegistryStatements.appUserInsert(id, .textArray([person]), .bytesArray([])))
    }
    let inserted = try await database.run(tenant.id, naming: draft.referenceID, statements)
    return inserted[0].affectedRows > 0
  }

  /// Stores what Terra answered; a pre-issued id becomes a connection that is expected.
  func answered(_ draft: Draft, _ sessionID: UUID, _ answer: Answer, _ tenant: Tenant) async throws {
    let id = PostgresParameter.uuid(tenant.id)
    let lifetime =
      timing.sessionExpiry(of: tenant) ?? answer.expiresIn?.inSeconds ?? Timing.unansweredExpiry.inSeconds
    var sealedToken: [UInt8]?
    if let token = answer.token, draft.idempotencyKey != nil {
      sealedToken = try keyRing.seal(Array(token.utf8), tenantID: tenant.id, purpose: .attempt)
    }
    // Of a session or an id that was erased meanwhile nothing is expected any more.
    let fence = ErasedSubject.fence(
      answer.userID.map { [.userID($0), .session(sessionID)] } ?? [], tenantID: tenant.id)
    var statements = [
      RegistryStatements.authSessionAnswered(
        id, .uuid(sessionID), .text(answer.userID), .text(answer.terraSessionID), .text(answer.url),
        .timestamp(timing.now().addingTimeInterval(lifetime)), .bytes(sealedToken), fence)
    ]
    if let userID = answer.userID {
      statements.append(
        Self.expectation(draft, sessionID).joinStatement(tenantID: tenant.id, userID: userID, fence: fence))
      statements += ConnectionTransition.statements(
        tenantID: tenant.id, userID: userID, cause: .session(sessionID))
    }
    if let terraSessionID = answer.terraSessionID {
      // Events that came before Terra's answer was stored were waiting for the session's reference_id.
      statements.append(RegistryStatements.connectionTakeSessionReference(id, .null, .text(terraSessionID)))
    }
    _ = try await database.run(tenant.id, locking: answer.userID.map { [$0] } ?? [], statements)
  }

  /// Stores that Terra did not begin it.
  func refused(_ sessionID: UUID, _ refusal: TerraRefusal, _ tenant: Tenant) async throws {
    _ = try await database.run(
      tenant.id,
      RegistryStatements.authSessionRefused(
        .uuid(tenant.id), .uuid(sessionID), .text(refusal.problem.message), .int(refusal.httpStatus),
        .bool(refusal.mayRepeat), .text(refusal.problem.code.description)))
  }

  /// What the session says of a pre-issued id: it is expected, for this person at this resource, until a fact says
  /// more. It joins with the least key.
  private static func expectation(_ draft: Draft, _ sessionID: UUID) -> ConnectionRegisters {
    let key = OrderKey(instant: Instant(microseconds: 0), rank: .data, factID: sessionID.text)
    var registers = ConnectionRegisters()
    registers.referenceID = draft.referenceID.map { Register(key: key, value: $0) }
    registers.resource = draft.resource.map { Register(key: key, value: $0.rawValue) }
    return registers
  }
}

extension TenantDirectory.Entry {
  /// A client of Terra's with this tenant's credentials.
  func terraClient(deadline: Duration) -> TerraClient {
    TerraClient(
      configuration: .init(
        developerID: tenant.devID, apiKey: terraAPIKey, apiBaseURL: tenant.terraBaseURL,
        widgetSessionURL: tenant.terraWidgetURL, deadline: deadline))
  }
}
