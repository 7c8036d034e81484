import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL

extension ConnectionRegisters {
  /// Joins these registers into a connection's row, which is made where there is none.
  ///
  /// - Parameters:
  ///   - tenantID: the tenant.
  ///   - userID: the connection.
  ///   - fence: what must not have been erased; nil is the connection.
  /// - Returns: the statement.
  func joinStatement(tenantID: UUID, userID: String, fence: PostgresParameter? = nil) -> BoundStatement {
    RegistryStatements.connectionJoin(
      .uuid(tenantID), .text(userID), .text(authKey?.rawValue), .text(degradedKey?.rawValue),
      .text(aliveKey?.rawValue), .text(failedKey?.rawValue), .text(revokedKey?.rawValue),
      .text(deauthenticatedKey?.rawValue), .text(superseded?.key.rawValue), .text(superseded?.value),
      .text(data?.rawValue), .text(correction?.key.rawValue), .text(correction?.value.rawValue),
      .text(referenceID?.key.rawValue), .text(referenceID?.value), .text(resource?.key.rawValue),
      .text(resource?.value), .text(scopes?.key.rawValue), .text(scopes?.value),
      fence ?? ErasedSubject.fence([.userID(userID)], tenantID: tenantID))
  }
}
