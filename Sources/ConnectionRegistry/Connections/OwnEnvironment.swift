import Foundation
import RegistryPostgres
import RegistrySQL
import RegistryTerra

/// Whether the key with which Terra is asked belongs to the environment whose connections a tenant has.
///
/// The key of another environment knows nobody, so that Terra's "unknown" about one connection says something only beside a
/// connection that it does know. Witnesses are those that a signed webhook has spoken of: what Terra's answers alone have
/// brought here may have come by the wrong key.
struct OwnEnvironment: Sendable {
  let database: RegistryDatabase
  let tenantID: UUID

  /// How many witnesses are asked about at most.
  static let witnesses = 3

  /// Asks Terra about the newest live connections besides one.
  ///
  /// - Parameters:
  ///   - userID: the connection that Terra does not know.
  ///   - client: asks with the key in question.
  /// - Returns: false where Terra knows none of them; true where it knows one, and where there is none to ask about.
  /// - Throws: `TerraAPIError`, `database_unavailable`, `CancellationError`.
  func isPlausible(besides userID: String, _ client: TerraClient) async throws -> Bool {
    let rows = try await database.run(
      tenantID, RegistryStatements.connectionWitnesses(.uuid(tenantID), .text(userID), .int(Self.witnesses))
    ).rows
    let witnesses = try rows.map { try $0.decode("user_id", as: String.self) }
    for witness in witnesses {
      do {
        _ = try await client.retrying(isRepeatable: true) { try await $0.userInfo(userID: witness) }
        return true
      } catch let error as TerraAPIError where error.code == .notFound {
        continue
      }
    }
    return witnesses.isEmpty
  }
}
