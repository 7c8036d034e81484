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
}
