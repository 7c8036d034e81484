import ConnectionRegistry

/// App users as JSON: `AppUserDetail`.
enum AppUserSchemas {
  static let detail = APISchema.named(
    "AppUserDetail",
    .object([
      .required("reference_id", .text(), "The app user's id at the team."),
      .required("created_at", .time, "When it was first named."),
      .required("connections", .list(of: ConnectionSchemas.connection), "All its connections, in every state."),
      .required("sessions", .list(of: SessionSchemas.session), "Its sessions, oldest first."),
    ]))
}
