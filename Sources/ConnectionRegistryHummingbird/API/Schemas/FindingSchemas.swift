import ConnectionRegistry
import RegistryModel

/// Findings as JSON: `Finding`, `FindingDetail`, and what one is acknowledged with.
enum FindingSchemas {
  static let finding = APISchema.named(
    "Finding",
    .object([
      .required("id", .uuid, "The finding's id, the same whenever the same disagreement is found again."),
      .required("tenant", .text(), "The tenant's slug."),
      .required("kind", .choice(of: FindingKind.self), "What kind of disagreement it is."),
      .required("severity", .choice(of: FindingSeverity.self), "How bad it is."),
      .required("reason_code", .text(), "Why, as a stable code."),
      .required("subject", subject, "What it is about."),
      .required("status", .choice(of: FindingStatus.self), "Whether it is open."),
      .required("for_operators", .boolean, "Whether only operators see it; false here."),
      .required("first_seen_at", .time, "When it was first found."),
      .required("opened_at", .time, "Since when it stands: later than `first_seen_at` where it has come back."),
      .required("last_seen_at", .time, "When it was last found."),
      .required("age_seconds", .number, "How old it is, in seconds."),
      .required("age", .choice(of: FindingAge.self), "How old it is, roughly."),
      .required("due_at", .time, "By when somebody should have dealt with it, by its severity."),
      .required("is_overdue", .boolean, "Whether it stands longer than its severity allows."),
      .required("times_opened", .integer(1...Int64.max), "How often it opened."),
      .required("reopened", .integer(0...Int64.max), "How often it came back."),
      .optional("resolved_at", .time, "When it vanished or was repaired."),
      .optional("acknowledgement", acknowledgement, "Who has taken it on."),
      .optional("repair", repair, "What the last repair did about it; absent where none has tried."),
      .required("summary", .text(), "One sentence for a person."),
      .required("suggestion", .text(), "What to do about it."),
      .required("documentation", .text(), "Where its kind is described."),
      .required("evidence", .list(of: evidence), "What shows it."),
    ]))

  static let subject = APISchema.object([
    .required("type", .text(), "session, user_id, attempt, callback, event or tenant."),
    .required("id", .text(), "The subject's id; of an attempt the SHA-256 of its token."),
  ])

  static let evidence = APISchema.object([
    .required("type", .text(), "session, event, callback, receipt, user_id, listing or tenant."),
    .required("id", .text(), "Its id."),
    .required("at", .time, "When it was recorded; of a listing when Terra was first asked for it."),
  ])

  static let listed = APISchema.named(
    "ListedConnection",
    .object([
      .required("listing_id", .uuid, "The listing."),
      .required(
        "source", .choice(of: ListedConnection.Source.self),
        "Terra's API, or a copy of the table `terra_users`, which proves no absence."),
      .required(
        "asked_at", .time,
        "The moment before Terra was asked: for the page that holds the connection, else for the first."),
      .required("user_id", .text(), "The connection."),
      .optional(
        "is_listed", .boolean,
        "Whether the listing holds it; absent where it is not kept any more: the last two complete ones are."),
      .required("is_conflicting", .boolean, "Whether it holds the connection several times, in different ways."),
      .optional("reference_id", .text(), "The app user whom Terra names."),
      .optional("resource", .text(), "The resource, as Terra spells it."),
      .optional("scopes", .text(), "The scopes granted, separated by commas."),
      .optional("is_active", .boolean, "Whether Terra takes in data for it."),
    ]))

  static let repair = APISchema.object([
    .required(
      "act", .choice(of: FindingRepair.Act.self),
      "A correction says that the connection is alive, or gone; nothing could be proved; or the repair was undone."),
    .required("reason", .text(), "Why, in a sentence for a person."),
    .required("at", .time, "When."),
    .optional("correction_id", .uuid, "The correction that was written."),
  ])

  static let acknowledgement = APISchema.object([
    .required("by", .text(), "Who, in words of the team's own."),
    .required("reason", .text(), "Why it may stand."),
    .optional("until", .time, "Until when; after it the finding is open again."),
    .required("at", .time, "When it was said."),
  ])

  static let detail = APISchema.named(
    "FindingDetail",
    .object([
      .required("finding", finding, "The finding."),
      .required("sessions", .list(of: SessionSchemas.session), "The sessions among its evidence."),
      .required("events", .list(of: EventSchemas.event), "The events among its evidence."),
      .required("callbacks", .list(of: CallbackSchemas.callback), "The callbacks among its evidence."),
      .required("receipts", .list(of: EventSchemas.receipt), "The receipts among its evidence."),
      .required("connections", .list(of: ConnectionSchemas.connection), "The connections among its evidence."),
      .required(
        "listings", .list(of: listed), "What the listings of Terra's among its evidence said of the connection."),
    ]))

  static let newUndo = APISchema.named(
    "NewUndo",
    .object([
      .required("by", .line(1...256, like: "Ada"), "Who undoes it, in words of the team's own."),
      .required("reason", .line(1...256, like: "The person is connected."), "Why."),
    ]))

  static let newAcknowledgement = APISchema.named(
    "NewAcknowledgement",
    .object([
      .required("by", .line(1...256, like: "Ada"), "Who takes it on, in words of the team's own."),
      .required("reason", .line(1...256, like: "Known; the app is being changed."), "Why it may stand."),
      .optional("until", .nullable(.time), "Until when, in the future; without it for good."),
    ]))
}
