import RegistryModel
import RegistryPostgres

extension Change {
  init(row: PostgresRow, cursor: String) throws {
    self.init(
      cursor: cursor, userID: try row.decode("user_id"), sequence: try row.decode("sequence"),
      fromStatus: try row.decodeIfPresent("from_status", as: String.self).map(ConnectionStatus.init(column:)),
      toStatus: try ConnectionStatus(column: row.decode("to_status")),
      referenceID: try row.decodeIfPresent("reference_id"), resource: try row.decodeIfPresent("resource"),
      causeType: try row.decode("cause_type"), causeID: try row.decode("cause_id"),
      recordedAt: try row.decode("recorded_at"))
  }
}

extension ChangeConsumer {
  init(row: PostgresRow) throws {
    self.init(
      name: try row.decode("name"), createdAt: try row.decode("created_at"),
      acknowledgedAt: try row.decodeIfPresent("acknowledged_at"), waiting: try row.decode("waiting"),
      waitingSince: try row.decodeIfPresent("waiting_since"))
  }
}
