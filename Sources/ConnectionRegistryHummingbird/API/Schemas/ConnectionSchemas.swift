import ConnectionRegistry
import RegistryModel

/// Connections as JSON: `Connection`, `ConnectionDetail`, `ConnectionChange`, `Correction`.
enum ConnectionSchemas {
  static let connection = APISchema.named(
    "Connection",
    .object([
      .required("user_id", .text(), "Terra's id of the connection."),
      .optional("resource", .text(), "The provider; absent while no fact names it."),
      .optional("reference_id", .text(), "The app user's id; absent while neither event nor session names it."),
      .required("status", .choice(of: ConnectionStatus.self), "The view of all facts so far."),
      .optional("scopes", .text(), "What the person granted, as Terra writes it."),
      .optional("superseded_by", .text(), "The id that replaced this one."),
      .optional("last_data_at", .time, "When data last came, to the minute."),
      .required("created_at", .time, "When the first fact was recorded."),
      .required("recorded_at", .time, "When the last fact was recorded that changed the connection."),
      .required("needs_reauth", .boolean, "Whether the person must connect again: degraded or revoked."),
      .optional("reconnect", reconnect, "With what to open a session that connects again, where that is needed."),
      .required("tags", TagSchemas.tags, "What the team notes about it."),
    ]))

  static let reconnect = APISchema.named(
    "Reconnect",
    .object([
      .required("kind", .choice(["direct", "widget", "mobile"]), "What to send as `kind` to `/v1/sessions`."),
      .required("replaces", .text(), "What to send as `replaces`."),
    ]))

  static let deauthentication = APISchema.named(
    "Deauthentication",
    .object([
      .required(
        "outcome", .choice(["deauthenticated", "already_gone"]),
        "Whether Terra ended it now, or did not know it any more."),
      .required("connection", connection, "The connection as it is now."),
    ]))

  static let change = APISchema.named(
    "ConnectionChange",
    .object([
      .required("user_id", .text(), "The connection's id at Terra."),
      .required("sequence", .integer(1...Int64.max), "The number of the change within its connection, without gaps."),
      .optional("from_status", .choice(of: ConnectionStatus.self), "The status before; absent for the first."),
      .required("to_status", .choice(of: ConnectionStatus.self), "The status after."),
      .required("cause_type", .text(), "What caused it: event, correction, session or data."),
      .required("cause_id", .text(), "The id of the cause."),
      .required("recorded_at", .time, "When it was recorded."),
    ]))

  static let correction = APISchema.named(
    "Correction",
    .object([
      .required("correction_id", .uuid, "The correction's id."),
      .required("recorded_at", .time, "When it was recorded."),
      .required("occurred_at", .time, "The moment for which it holds."),
      .required("user_id", .text(), "The connection's id at Terra."),
      .required("verdict", .choice(of: CorrectionVerdict.self), "Whether the connection is alive or gone."),
      .required("source", .text(), "Who observed it."),
      .required("reason", .text(), "Why."),
    ]))

  static let detail = APISchema.named(
    "ConnectionDetail",
    .object([
      .required("connection", connection, "The connection."),
      .required("changes", .list(of: change), "Its transitions, newest first, up to 100."),
      .required("events", .list(of: EventSchemas.event), "The events that name it, newest first, up to 100."),
      .required("sessions", .list(of: SessionSchemas.session), "The sessions about it, up to 100."),
      .required(
        "corrections", .list(of: correction), "What the registry itself observed of it, newest first, up to 100."),
    ]))
}
