import ConnectionRegistry

/// App users as JSON: `AppUser`, `AppUserDetail`.
enum AppUserSchemas {
  static let person = APISchema.named(
    "AppUser",
    .object([
      .required("reference_id", .text(), "The app user's id at the team."),
      .required("created_at", .time, "When it was first named."),
      .optional("merged_into", .text(), "The app user that this one was merged into, who has its connections."),
      .required("tags", TagSchemas.tags, "What the team notes about it."),
    ]))

  static let detail = APISchema.named(
    "AppUserDetail",
    .object([
      .required("reference_id", .text(), "The app user's id at the team."),
      .required("created_at", .time, "When it was first named."),
      .optional("merged_into", .text(), "The app user that this one was merged into, who has its connections."),
      .required("tags", TagSchemas.tags, "What the team notes about it."),
      .required("connections", .list(of: ConnectionSchemas.connection), "All its connections, in every state."),
      .required("sessions", .list(of: SessionSchemas.session), "Its sessions, oldest first."),
    ]))

  static let merge = APISchema.named(
    "AppUserMerge",
    .object([.required("into", .text(1...1_024, like: "person-1"), "Who the app user turned out to be.")]))

  static let erasure = APISchema.named(
    "Erasure",
    .object([
      .required("app_users", count, "The app user and those who were merged into it."),
      .required("connections", count, "Connections, with their changes, corrections and tags."),
      .required("sessions", count, "Sessions."),
      .required("events", count, "Events, with their bodies."),
      .required("receipts", count, "Receipts, with what was kept of their bodies."),
      .required("callbacks", count, "Callbacks."),
      .required("findings", count, "Findings, those for operators included."),
      .required("deliveries", count, "Deliveries, sent or waiting."),
      .required("kept_answers", count, "Answers that were kept for repeated requests."),
      .required("left_receipts", count, "Receipts that are no JSON and hold one of the names in some way: they stay."),
      .required("left_answers", count, "Kept answers that no master key at hand opens: they stay for their day."),
    ]))

  static let export = APISchema.named(
    "AppUserExport",
    .object([
      .required(
        "items",
        .list(
          of: APISchema.named(
            "AppUserExportItem",
            .object([
              .required(
                "type",
                .choice([
                  "app_user", "connection", "change", "correction", "session", "callback", "event", "receipt",
                  "delivery", "finding", "listed", "audit",
                ]), "What it is; `listed` is what one of Terra's listings said, `audit` what was done by hand."),
              .required("data", .map(of: .anything, names: .text()), "The object, as its own operation shows it."),
            ]))), "Everything that is held, in no particular order.")
    ]))

  private static let count = APISchema.integer(0...Int64.max)
}
