import ConnectionRegistry

/// Auth events as JSON: `AuthEvent`.
enum EventSchemas {
  /// What an event means.
  static let kind = APISchema.choice([
    "auth_success", "auth_failure", "user_reauth", "deauthentication", "access_revoked", "connection_error",
    "permission_change",
  ])

  static let event = APISchema.named(
    "Event",
    .object([
      .required("event_id", .uuid, "The event's id."),
      .required("recorded_at", .time, "When it was recorded."),
      .required("signed_at", .time, "The signed time, to the second."),
      .required("occurred_at", .time, "The instant that orders it."),
      .required("channel", .text(), "`webhook`, or `trusted:` and a channel's name."),
      .required("kind", kind, "What it means."),
      .required("type", .text(), "Terra's type."),
      .optional("status", .text(), "Terra's status."),
      .optional("user_id", .text(), "The connection it names; of a re-authentication the new one."),
      .optional("old_user_id", .text(), "The connection that a re-authentication replaced."),
      .optional("reference_id", .text(), "The app user it names."),
      .optional("old_reference_id", .text(), "The app user whom the replaced connection belonged to."),
      .optional("resource", .text(), "The provider."),
      .optional("widget_session_id", .text(), "The widget session it names."),
      .optional("reason", .text(), "Why it failed, in Terra's words."),
      .optional("trace_id", .text(), "Terra's trace id of the delivery, which is not signed."),
    ]))

  static let detail = APISchema.named(
    "EventDetail",
    .object([
      .required("event", event, "The event."),
      .optional("body", .text(), "The body as it was signed; only with `body=true`."),
    ]))

  static let receipt = APISchema.named(
    "Receipt",
    .object([
      .required("receipt_id", .uuid, "The receipt's id."),
      .required("recorded_at", .time, "When it was recorded."),
      .required("disposition", .choice(of: WebhookReceipt.Disposition.self), "Why it did not become an event."),
      .required("reason_code", .text(), "The reason, as a stable code."),
      .optional("signed_at", .time, "The signed time."),
      .optional("occurred_at", .time, "The instant that would order it."),
      .optional("type", .text(), "Terra's type, where it could be read."),
      .optional("user_id", .text(), "The connection it names, where it could be read."),
      .optional("trace_id", .text(), "Terra's trace id of the delivery."),
      .required("body_bytes", .integer(0...Int64.max), "The size of the body as it came."),
    ]))

  static let receiptDetail = APISchema.named(
    "ReceiptDetail",
    .object([
      .required("receipt", receipt, "The receipt."),
      .optional("body", .text(), "What was kept of the body; only with `body=true`."),
    ]))

  static let outcome = APISchema.named(
    "ReceiptOutcome",
    .object([
      .required("receipt_id", .uuid, "The receipt; an accepted event has its id."),
      .required(
        "disposition", .choice(["accepted", "duplicate", "data", "erased", "unknown_type", "unreadable"]),
        "Whether it became an event, was one before, or is what it was."),
    ]))

  static let ingest = APISchema.named(
    "EventIngest",
    .object([
      .required("lines", count, "How many lines were read, empty ones left out."),
      .required("accepted", count, "How many became events."),
      .required("duplicates", count, "How many were known before."),
      .required("data", count, "How many were about data, which is not stored; they move `last_data_at`."),
      .required("erased", count, "How many are about somebody who was erased: nothing of them is kept."),
      .required("ignored", count, "How many are of a type that the registry does not act upon."),
      .required("refused", count, "How many could not be taken in."),
      .required("refusals", .list(of: refusal), "The first hundred of these."),
    ]))

  private static let count = APISchema.integer(0...Int64.max)

  private static let refusal = APISchema.object([
    .required("line", .integer(1...Int64.max), "The line's number, from 1."),
    .required("reason", .text(), "Why, with the name of the field and without its value."),
  ])
}
