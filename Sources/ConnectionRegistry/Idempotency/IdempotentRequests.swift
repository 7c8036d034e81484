package import Foundation
import RegistryPostgres
import RegistrySQL

/// The answers to requests that named themselves with an `Idempotency-Key`, so that a repetition gets the first one's
/// answer instead of acting again.
///
/// Answers are kept for a day, sealed, because they may show a secret.
package struct IdempotentRequests: Sendable {
  /// How long an answer is kept.
  package static let lifetime: Duration = .seconds(24 * 3_600)
  /// How many that are over a request takes away.
  static let expiryBatch = 100

  let database: RegistryDatabase
  let directory: TenantDirectory

  /// What a request is known by.
  package struct Name: Sendable, Hashable {
    /// The tenant's slug.
    package var tenant: String
    /// What the request asks for: a key holds for one operation.
    package var operation: String
    /// The caller's key.
    package var key: String

    package init(tenant: String, operation: String, key: String) {
      self.tenant = tenant
      self.operation = operation
      self.key = key
    }
  }

  /// An answer as it was sent.
  package struct Answer: Sendable, Hashable {
    package var status: Int
    package var location: String?
    package var body: [UInt8]

    package init(status: Int, location: String?, body: [UInt8]) {
      self.status = status
      self.location = location
      self.body = body
    }
  }

  /// What stands under a name.
  package enum Claim: Sendable, Hashable {
    /// Nothing stood there: the request is to be done under this id.
    case first(UUID)
    /// It was answered before.
    case answered(Answer)
  }

  /// Takes a name for a request, unless another request has it.
  ///
  /// - Parameters:
  ///   - name: the request's name.
  ///   - requestSHA256: of all that the request asks.
  ///   - lease: how long the request may take; after it whoever asks again may begin anew.
  /// - Returns: whether it is the first, or the first one's answer.
  /// - Throws: `idempotency_conflict` where the name is another request's, `idempotency_in_progress` while the first is
  ///   under way, `tenant_unknown`, `secret_unreadable`, `database_unavailable`.
  package func claim(_ name: Name, requestSHA256: [UInt8], lease: Duration) async throws -> Claim {
    let id = try await directory.require(name.tenant).tenant.id
    let claimID = UUID.version7()
    let (tenant, operation, key) = Self.parameters(id, name)
    let (hash, seconds) = (PostgresParameter.bytes(requestSHA256), PostgresParameter.double(lease.inSeconds))
    let kept = PostgresParameter.double(Self.lifetime.inSeconds)
    let results = try await database.run(
      id, locking: [name.operation + " " + name.key],
      [
        RegistryStatements.idempotentRequestClaim(tenant, operation, key, hash, .uuid(claimID), seconds),
        RegistryStatements.idempotentRequestTakeOver(tenant, operation, key, .uuid(claimID), kept, hash, seconds),
        RegistryStatements.idempotentRequestFind(tenant, operation, key),
      ])
    guard let row = results.last?.rows.first else {
      throw RegistryError(
        .idempotencyInProgress, "the first request with this Idempotency-Key has just failed: try again")
    }
    guard try row.decode("request_sha256", as: [UInt8].self) == requestSHA256 else {
      throw RegistryError(
        .idempotencyConflict, "this Idempotency-Key was used with another request: use a new key for a new request")
    }
    if let status = try row.decodeIfPresent("status", as: Int.self) {
      let sealed = try row.decodeIfPresent("sealed_body", as: [UInt8].self)
      return .answered(
        Answer(
          status: status, location: try row.decodeIfPresent("location"),
          body: try sealed.map { try directory.keyRing.open($0, tenantID: id, purpose: .answer) } ?? []))
    }
    guard try row.decode("claim_id", as: UUID.self) == claimID else {
      throw RegistryError(
        .idempotencyInProgress, "the first request with this Idempotency-Key is under way: try again shortly")
    }
    return .first(claimID)
  }

  /// Keeps the answer of a request, and takes away what is over.
  ///
  /// - Parameters:
  ///   - answer: what the request is answered with.
  ///   - name: the request's name.
  ///   - claimID: the id under which it was done.
  /// - Throws: `tenant_unknown`, `database_unavailable`.
  package func keep(_ answer: Answer, of name: Name, _ claimID: UUID) async throws {
    let id = try await directory.require(name.tenant).tenant.id
    let (tenant, operation, key) = Self.parameters(id, name)
    let sealed = try directory.keyRing.seal(answer.body, tenantID: id, purpose: .answer)
    // What a request has found out about somebody who was erased meanwhile is not kept.
    let fence = ErasedSubject.fence(ErasedSubject.named(in: answer.body), tenantID: id)
    _ = try await database.run(
      id, locking: [name.operation + " " + name.key],
      [
        RegistryStatements.idempotentRequestAnswer(
          tenant, operation, key, .uuid(claimID), .int(answer.status), .text(answer.location), .bytes(sealed), fence)
      ])
    _ = try await database.run(
      id,
      RegistryStatements.idempotentRequestExpire(
        tenant, .double(Self.lifetime.inSeconds), .int(Self.expiryBatch)))
  }

  /// Gives a name back: the request did nothing.
  ///
  /// - Parameters:
  ///   - name: the request's name.
  ///   - claimID: the id under which it was tried.
  /// - Throws: `tenant_unknown`, `database_unavailable`.
  package func release(_ name: Name, _ claimID: UUID) async throws {
    let id = try await directory.require(name.tenant).tenant.id
    let (tenant, operation, key) = Self.parameters(id, name)
    _ = try await database.run(
      id, locking: [name.operation + " " + name.key],
      RegistryStatements.idempotentRequestRelease(tenant, operation, key, .uuid(claimID)))
  }

  private static func parameters(
    _ id: UUID, _ name: Name
  ) -> (PostgresParameter, PostgresParameter, PostgresParameter) {
    (.uuid(id), .text(name.operation), .text(name.key))
  }
}
