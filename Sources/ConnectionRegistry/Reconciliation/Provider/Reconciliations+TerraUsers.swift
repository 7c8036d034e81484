import RegistryPostgres
import RegistrySQL

/// What was copied of `terra_users`.
public struct TerraUsersCopy: Sendable, Hashable, Codable {
  /// How many rows were taken.
  public var rows: Int
  /// How many were left out, because they name no connection: no `user_id`, or none that Terra gives.
  public var skipped: Int
}

extension Reconciliations {
  /// How long the whole table may take.
  static let copyLimit: Duration = .seconds(3_600)

  /// Copies the table `terra_users` that Terra's SQL and Supabase destinations keep in the team's own database, for the runs
  /// that follow: what it shows as alive and the registry does not, and the other way, are findings then.
  ///
  /// It proves nothing: no absence from it counts, and a repair asks Terra about each id as ever. A complete listing of Terra's
  /// that is begun later takes its place.
  ///
  /// - Parameters:
  ///   - slug: the tenant's slug.
  ///   - connectionString: how the database is reached, a libpq URL or keyword list; it is kept nowhere and never logged.
  ///     `options=-csearch_path=terra` names the schema where it is not the login's own.
  /// - Returns: what was copied.
  /// - Throws: `tenant_unknown`; `terra_users_unreadable` where the other database or its table cannot be read;
  ///   `already_running` where another copy took this one's place; `database_unavailable`.
  public func copyTerraUsers(tenant slug: String, from connectionString: String) async throws -> TerraUsersCopy {
    let tenant = try await directory.tenant(slug)
    let run: @Sendable ([BoundStatement]) async throws -> [PostgresResult] = {
      try await database.run(tenant.id, compiles: false, $0)
    }
    let pass = TerraUsersPass(tenant: tenant, write: run)
    do {
      let copy = try await pass.copy(from: connectionString, within: Self.copyLimit)
      // The copy stands, whatever becomes of this; the next one forgets what is left.
      try? await OldListings(tenantID: tenant.id, run: run).forget()
      if let copy { return copy }
    } catch let error as TerraUsersPass.Unreadable {
      throw RegistryError(.terraUsersUnreadable, "terra_users could not be read: \(error.cause)")
    }
    throw RegistryError(.alreadyRunning, "another copy of terra_users was begun, and took this one's place")
  }
}
