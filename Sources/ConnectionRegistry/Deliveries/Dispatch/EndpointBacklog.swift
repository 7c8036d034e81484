import Foundation
import RegistryPostgres
import RegistrySQL

/// What waits for an endpoint that was enabled, or that answers again: due since one moment, which its deliveries are told
/// in slices, so that nobody's transaction grows with it.
struct EndpointBacklog: Sendable {
  /// Since when it is due, as the endpoint's row says.
  var dueSince: Date
  /// Whether the deliveries have all their attempts before them again.
  var resets: Bool
  var tenantID: UUID
  var endpointID: UUID

  /// Tells some of the deliveries, on a connection of the pool.
  ///
  /// - Returns: whether there were any.
  func releaseSlice(of size: Int, in database: RegistryDatabase) async throws -> Bool {
    try await database.run(
      tenantID,
      RegistryStatements.deliveryRelease(
        .uuid(tenantID), .uuid(endpointID), .timestamp(dueSince), .bool(resets), .int(size))
    ).affectedRows > 0
  }

  /// Notes that all have been told.
  ///
  /// - Returns: false where that is not so: a slice passes by what is being written.
  func end(in database: RegistryDatabase, leaseID: UUID) async throws -> Bool {
    try await database.run(
      tenantID, locking: [endpointID.text],
      RegistryStatements.endpointReleased(
        .uuid(tenantID), .uuid(endpointID), .uuid(leaseID), .timestamp(dueSince))
    ).affectedRows > 0
  }
}
