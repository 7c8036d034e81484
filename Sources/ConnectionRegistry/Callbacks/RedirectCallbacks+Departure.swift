import Foundation
import RegistryPostgres
import RegistrySQL

/// How a browser that sets out is answered.
public enum DepartureAnswer: Sendable, Hashable {
  /// With a 303 to Terra, and a cookie by which the browser is known when it comes back.
  case redirect(to: String, cookieName: String, cookieValue: String, seconds: Int)
  /// With a plain page: no such attempt is bound to a browser, or it is over.
  case unknown
}

extension RedirectCallbacks {
  /// Sends a browser on to Terra, bound to its session.
  ///
  /// - Parameters:
  ///   - tenant: the slug in the path.
  ///   - attempt: the token in the path, as it came.
  /// - Returns: where to send the browser, with the cookie to set.
  /// - Throws: `database_unavailable`.
  public func depart(tenant: String, attempt: String) async throws -> DepartureAnswer {
    guard attempt.utf8.count <= Self.maximumAttemptBytes, let entry = try await directory.find(tenant) else {
      return .unknown
    }
    let token = AttemptToken(presented: attempt)
    let found = try await database.run(
      entry.tenant.id, RegistryStatements.authSessionByAttempt(.uuid(entry.tenant.id), .bytes(token.sha256)))
    guard let session = found.rows.first, try session.decode("is_bound", as: Bool.self),
      try !session.decode("is_expired", as: Bool.self),
      let url = try session.decodeIfPresent("auth_url", as: String.self)
    else { return .unknown }
    let binding = BrowserBinding(token)
    // A visit after the session's end is sent back too, and should still be known.
    let left = try session.decode("expires_at", as: Date.self).timeIntervalSinceNow + 3_600
    return .redirect(
      to: url, cookieName: binding.name, cookieValue: binding.value, seconds: max(60, Int(min(left, 7 * 86_400))))
  }
}
