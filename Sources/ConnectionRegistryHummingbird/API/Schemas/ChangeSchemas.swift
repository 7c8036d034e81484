import ConnectionRegistry
import RegistryModel

/// The change feed as JSON: `Change`, `ChangePage`.
enum ChangeSchemas {
  static let change = APISchema.named(
    "Change",
    .object([
      .required("cursor", .printable(1...2_048), "Where the feed stands behind this change; opaque."),
      .required("user_id", .text(), "The connection's id at Terra."),
      .required("sequence", .integer(1...Int64.max), "The number of the change within its connection, without gaps."),
      .optional("from_status", .choice(of: ConnectionStatus.self), "The status before; absent for the first."),
      .required("to_status", .choice(of: ConnectionStatus.self), "The status after."),
      .optional("reference_id", .text(), "The app user's id, as known when the change was read."),
      .optional("resource", .text(), "The provider, as known when the change was read."),
      .required("cause_type", .text(), "What caused it: event, correction, session or data."),
      .required("cause_id", .text(), "The id of the cause."),
      .required("recorded_at", .time, "When it was recorded."),
    ]))

  static let page = APISchema.named(
    "ChangePage",
    .object([
      .required("items", .list(of: change), "The changes, in the feed's order."),
      .required("cursor", .printable(1...2_048), "Where to continue."),
      .required(
        "held_seconds", .number,
        "How long a change has been waiting for transactions that still write to the database; 0 when none waits."),
    ]))
}
