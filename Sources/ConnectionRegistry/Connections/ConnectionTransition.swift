import Foundation
import RegistryPostgres
import RegistrySQL

/// What follows a join of facts into a connection's row: the transition, if there was one, and what tells of it.
///
/// Every writer of connections takes these statements, so that no transition goes without its change and no change
/// without its deliveries. They stand behind the join in its transaction, which holds the connection's row lock.
enum ConnectionTransition {
  /// Why a connection changed.
  enum Cause {
    /// A verified event, by the id that it has if it is new and by the first key of its deliveries.
    case event(UUID, key: String)
    /// What the registry observed itself.
    case correction(UUID)
    /// A session that Terra named an id for.
    case session(UUID)
    /// Data of a minute.
    case data(String)
  }

  /// The statements.
  ///
  /// - Parameters:
  ///   - tenantID: the tenant.
  ///   - userID: the connection whose facts were joined.
  ///   - cause: what is taken for the cause, if the status changed.
  /// - Returns: the change, then its deliveries; both write nothing where nothing changed, and nothing twice.
  static func statements(tenantID: UUID, userID: String, cause: Cause) -> [BoundStatement] {
    let id = PostgresParameter.uuid(tenantID)
    let (type, causeID, key): (String, String, PostgresParameter) =
      switch cause {
      case .event(let eventID, let key): ("event", eventID.text, .text(key))
      case .correction(let correctionID): ("correction", correctionID.text, .null)
      case .session(let sessionID): ("session", sessionID.text, .null)
      case .data(let minute): ("data", minute, .null)
      }
    return [
      RegistryStatements.connectionChangeAppend(id, .text(userID), .text(type), .text(causeID), key),
      RegistryStatements.deliveryAppend(id, .text(userID)),
    ]
  }
}
