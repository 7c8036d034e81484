import Foundation
import RegistryPostgres

extension Connections {
  /// Reads all connections, oldest first, in constant memory and as they are at one moment.
  ///
  /// ```swift
  /// try await registry.connections.withAll(tenant: "acme", filter: .init(resource: "FITBIT")) { connections in
  ///   for try await connection in connections { … }
  /// }
  /// ```
  ///
  /// One statement reads them, their app users and their tags, so that they show what was committed when it began and
  /// nothing of what came later. While the closure runs it holds one of the connections to the database, in a transaction
  /// that only reads: nobody who reads or writes waits for it, but what others delete or change meanwhile is cleaned up
  /// after it, and a migration waits for its end, and others behind the migration. A closure that ends early breaks the
  /// reading off.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - filter: which connections.
  ///   - body: is given the connections.
  /// - Returns: what the closure returned.
  /// - Throws: `tenant_unknown`, `database_unavailable`, also where the server needs more than 30 s to find the next row;
  ///   what the closure throws.
  public func withAll<Value: Sendable>(
    tenant: String, filter: ConnectionFilter = ConnectionFilter(),
    _ body: (ConnectionSequence) async throws -> Value
  ) async throws -> Value {
    let id = try await directory.require(tenant).tenant.id
    return try await database.streaming(id, listing(filter, of: id, after: nil, limit: nil).plannedAnew) { rows in
      try await body(ConnectionSequence(rows: rows))
    }
  }
}
