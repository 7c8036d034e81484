public import Foundation
import RegistryPostgres
import RegistrySQL

/// A login of PostgreSQL that may call the functions of the schema `registry_api` for a tenant.
public struct Embedder: Sendable, Hashable, Codable {
  /// The login's name, as `session_user` gives it.
  public var login: String
  /// Since when it may.
  public var createdAt: Date
}

/// Which logins may act for a tenant from within transactions of their own.
///
/// A login needs two things: membership of the role `registry_embedder`, which whoever administers the database grants, and
/// a place here. So a login of one team cannot act for another team's tenant.
public struct Embedders: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory

  /// Lets a login act for a tenant; does nothing where it may already.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - login: the login's name, 1 to 63 bytes.
  /// - Throws: `tenant_unknown`, `invalid_request`, `database_unavailable`.
  public func add(tenant: String, login: String) async throws {
    guard (1...63).contains(login.utf8.count), !login.utf8.contains(0) else {
      throw RegistryError.invalid("login", "the name of a login has 1 to 63 bytes")
    }
    let id = try await directory.require(tenant).tenant.id
    _ = try await database.run(id, locking: [login], RegistryStatements.embedderInsert(.uuid(id), .text(login)))
  }

  /// Lets a login act for a tenant no longer.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - login: the login's name.
  /// - Throws: `tenant_unknown`, `not_found` where it could not, `database_unavailable`.
  public func remove(tenant: String, login: String) async throws {
    let id = try await directory.require(tenant).tenant.id
    let result = try await database.run(
      id, locking: [login], RegistryStatements.embedderDelete(.uuid(id), .text(login)))
    guard result.affectedRows > 0 else { throw RegistryError.notFound("login") }
  }

  /// Lists the logins that may act for a tenant.
  ///
  /// - Parameter tenant: the tenant's slug.
  /// - Returns: the logins by name.
  /// - Throws: `tenant_unknown`, `database_unavailable`.
  public func list(tenant: String) async throws -> [Embedder] {
    let id = try await directory.require(tenant).tenant.id
    return try await database.run(id, RegistryStatements.embedderList(.uuid(id))).rows.map {
      Embedder(login: try $0.decode("login"), createdAt: try $0.decode("created_at"))
    }
  }
}
