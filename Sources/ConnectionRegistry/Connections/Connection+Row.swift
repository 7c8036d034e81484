import Foundation
import RegistryModel
import RegistryPostgres

extension Connection {
  init(row: PostgresRow) throws {
    let userID = try row.decode("user_id", as: String.self)
    let resource = try row.decodeIfPresent("resource", as: String.self)
    let status = try ConnectionStatus(column: row.decode("status"))
    let reconnect = Reconnect(userID: userID, resource: resource, status: status)
    self.init(
      userID: userID, resource: resource, referenceID: try row.decodeIfPresent("reference_id"), status: status,
      scopes: try row.decodeIfPresent("scopes"), supersededBy: try row.decodeIfPresent("superseded_by"),
      lastDataAt: try row.decodeIfPresent("last_data_at"), createdAt: try row.decode("created_at"),
      recordedAt: try row.decode("recorded_at"), needsReauth: reconnect != nil, reconnect: reconnect,
      tags: try Tag.map(column: row.decodeIfPresent("tags")))
  }
}

extension AppUser {
  init(row: PostgresRow) throws {
    self.init(
      referenceID: try row.decode("reference_id"), createdAt: try row.decode("created_at"),
      mergedInto: try row.decodeIfPresent("merged_into"), tags: try Tag.map(column: row.decodeIfPresent("tags")))
  }
}

extension ConnectionChange {
  init(row: PostgresRow) throws {
    self.init(
      userID: try row.decode("user_id"), sequence: try row.decode("sequence"),
      fromStatus: try row.decodeIfPresent("from_status", as: String.self).map(ConnectionStatus.init(column:)),
      toStatus: try ConnectionStatus(column: row.decode("to_status")), causeType: try row.decode("cause_type"),
      causeID: try row.decode("cause_id"), recordedAt: try row.decode("recorded_at"))
  }
}

extension Correction {
  init(row: PostgresRow) throws {
    guard let verdict = CorrectionVerdict(rawValue: try row.decode("verdict")) else {
      throw RegistryError(.schemaNewer, "a correction has a verdict that this version does not know")
    }
    self.init(
      correctionID: try row.decode("correction_id"), recordedAt: try row.decode("recorded_at"),
      occurredAt: try row.decode("occurred_at"), userID: try row.decode("user_id"), verdict: verdict,
      source: try row.decode("source"), reason: try row.decode("reason"))
  }
}

extension ConnectionStatus {
  init(column text: String) throws {
    guard let status = ConnectionStatus(rawValue: text) else {
      throw RegistryError(.schemaNewer, "a connection has a status that this version does not know")
    }
    self = status
  }
}
