import ConnectionRegistry
import HTTPTypes
import Hummingbird

/// Who asks, by the API key that the request carries.
enum APIAccess {
  /// Finds the key's tenant, and what the key may do.
  ///
  /// - Parameters:
  ///   - request: Carries `Authorization: Bearer crk_…`.
  ///   - registry: Knows the keys.
  /// - Returns: The key's tenant, id and scopes.
  /// - Throws: ``Problem`` without one key, `RegistryError` `unauthenticated` for a key that does not hold.
  static func grant(for request: Request, registry: ConnectionRegistry) async throws -> APIKeyGrant {
    let presented = request.headers[values: .authorization]
    guard presented.count == 1, let token = bearerToken(presented[0]) else {
      throw Problem(.unauthenticated, "Send one API key, as \"Authorization: Bearer crk_…\".")
    }
    return try await registry.keys.authenticate(token)
  }

  /// The token of `Bearer <token>`; the scheme's name is matched in any case (RFC 9110).
  private static func bearerToken(_ value: String) -> String? {
    let parts = value.split(separator: " ", omittingEmptySubsequences: true)
    guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
    return String(parts[1])
  }
}
