import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL
import RegistryTerra

/// How a deauthentication ended.
public struct Deauthentication: Sendable, Codable {
  /// What Terra said.
  public enum Outcome: String, Sendable, Hashable, Codable {
    /// Terra ended the connection: it has deleted what it held and revoked the access at the provider.
    case deauthenticated
    /// Terra did not know the connection any more.
    case alreadyGone = "already_gone"
  }

  /// What Terra said.
  public var outcome: Outcome
  /// The connection as it is now.
  public var connection: Connection
}

extension Connections {
  /// Ends a connection at Terra, and records it. It cannot be undone; Terra sends a `deauth` event as well.
  ///
  /// Where Terra does not know a connection that is alive here, it ends here too, unless Terra knows none of the newest
  /// three others that signed events have shown alive either: then the key may be that of another environment, and the
  /// connection may live on at Terra. Where there are no others, the caller's word is enough.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - userID: Terra's id of the connection; one that the registry does not know may be known to Terra.
  ///   - source: through which surface it was asked for; stands in the correction.
  /// - Returns: what Terra said, and the connection.
  /// - Throws: `tenant_unknown`, `shadow_mode`, `not_found` where neither knows the connection, `terra_timed_out` and
  ///   `terra_unavailable` where it may have happened (asking again is safe, and a `deauth` event tells),
  ///   `terra_credentials_refused`, also where Terra knows nobody who is alive here, and the other refusals of Terra's,
  ///   `database_unavailable`.
  public func deauthenticate(tenant: String, _ userID: String, source: String = "api") async throws -> Deauthentication
  {
    let entry = try await directory.require(tenant)
    guard !entry.tenant.shadow else { throw AuthSessions.shadow }
    guard (try? UserID(userID)) != nil else { throw RegistryError.notFound("connection") }
    let tenantID = entry.tenant.id
    let askedAt = timing.now()
    let client = entry.terraClient(deadline: terraDeadline)
    let outcome: Deauthentication.Outcome
    do {
      try await client.retrying(isRepeatable: false) { try await $0.deauthenticateUser(userID: userID) }
      try await record(
        ObservedFact(deauthenticationOf: userID, answeredAt: timing.now(), source: source), tenantID)
      outcome = .deauthenticated
    } catch TerraAPIError.Code.notFound {
      guard let known = try await row(userID, tenantID) else { throw RegistryError.notFound("connection") }
      if known.status.isLive { try await requireOwnEnvironment(besides: userID, tenantID, client) }
      try await record(
        ObservedFact(.gone, of: userID, askedAt: askedAt, source: source, reason: "unknown_to_terra"), tenantID)
      outcome = .alreadyGone
    } catch let error as TerraAPIError {
      throw Self.problem(error)
    }
    guard let connection = try await row(userID, tenantID) else { throw RegistryError.notFound("connection") }
    return Deauthentication(outcome: outcome, connection: connection)
  }

  /// In a task of its own: what Terra has ended must be known, also where the caller has gone.
  private func record(_ fact: ObservedFact, _ tenantID: UUID) async throws {
    try await Task { try await fact.write(database, tenantID: tenantID) }.value
  }

  /// Nothing was ended at Terra yet, so that a failure here leaves the connection as it is on both sides.
  private func requireOwnEnvironment(besides userID: String, _ tenantID: UUID, _ client: TerraClient) async throws {
    let isPlausible: Bool
    do {
      isPlausible = try await OwnEnvironment(database: database, tenantID: tenantID)
        .isPlausible(besides: userID, client)
    } catch let error as TerraAPIError {
      throw TerraRefusal(error, namesResource: false).problem
    }
    guard isPlausible else {
      throw RegistryError(
        .terraCredentialsRefused,
        "Terra knows neither this connection nor the others that are alive here, so nothing is ended: check that the "
          + "tenant's Terra API key and dev-id belong to this environment")
    }
  }

  private static func problem(_ error: TerraAPIError) -> RegistryError {
    let problem = TerraRefusal(error, namesResource: false).problem
    guard [.timedOut, .connectionLost, .serverError].contains(error.code) else { return problem }
    return RegistryError(
      problem.code, "\(error); it may have been carried out: asking again is safe, and Terra's deauth event tells",
      retryAfter: problem.retryAfter)
  }

  private func row(_ userID: String, _ tenantID: UUID) async throws -> Connection? {
    try await database.run(tenantID, RegistryStatements.connectionShow(.uuid(tenantID), .text(userID))).rows.first
      .map(Connection.init(row:))
  }
}
