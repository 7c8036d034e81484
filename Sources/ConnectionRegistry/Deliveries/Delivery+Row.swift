import Foundation
import RegistryModel
import RegistryPostgres

extension Endpoint {
  init(row: PostgresRow) throws {
    let reason = try row.decodeIfPresent("disabled_reason", as: String.self).map { text in
      guard let reason = DisabledReason(rawValue: text) else {
        throw RegistryError(.schemaNewer, "an endpoint is disabled for a reason that this version does not know")
      }
      return reason
    }
    let types = try row.decode("finding_types", as: [String].self).map { text in
      guard let type = FindingTransitionType(rawValue: text) else {
        throw RegistryError(.schemaNewer, "an endpoint wants deliveries that this version does not know")
      }
      return type
    }
    self.init(
      endpointID: try row.decode("endpoint_id"), url: try row.decode("url"), description: try row.decode("description"),
      statuses: try row.decodeIfPresent("statuses", as: [String].self)?.map(ConnectionStatus.init(column:)),
      findingTypes: types, createdAt: try row.decode("created_at"), disabledAt: try row.decodeIfPresent("disabled_at"),
      disabledReason: reason, failingSince: try row.decodeIfPresent("failing_since"),
      lastSuccessAt: try row.decodeIfPresent("last_success_at"),
      previousSecretUntil: try row.decodeIfPresent("previous_secret_until"))
  }
}

extension Delivery {
  init(row: PostgresRow) throws {
    guard let state = State(rawValue: try row.decode("state")) else {
      throw RegistryError(.schemaNewer, "a delivery has a state that this version does not know")
    }
    self.init(
      deliveryID: try row.decode("delivery_id"), endpointID: try row.decode("endpoint_id"),
      type: try row.decode("type"), userID: try row.decodeIfPresent("user_id"),
      findingID: try row.decodeIfPresent("finding_id"),
      sequence: try row.decodeIfPresent("sequence"), state: state, attempts: try row.decode("attempts"),
      createdAt: try row.decode("created_at"), lastAttemptAt: try row.decodeIfPresent("last_attempt_at"),
      nextAttemptAt: try row.decodeIfPresent("next_attempt_at"), lastStatus: try row.decodeIfPresent("last_status"),
      lastError: try row.decodeIfPresent("last_error"), settledAt: try row.decodeIfPresent("settled_at"))
  }
}
