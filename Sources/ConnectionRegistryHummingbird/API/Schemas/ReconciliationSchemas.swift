import ConnectionRegistry
import RegistryModel

/// Reconciliation runs and findings as JSON: `ReconciliationRun`, `Finding`, `FindingDetail`.
enum ReconciliationSchemas {
  static let run = APISchema.named(
    "Reconciliation",
    .object([
      .required("run_id", .uuid, "The run's id."),
      .required("tenant", .text(), "The tenant's slug."),
      .required("started_at", .time, "When it began, or was asked for."),
      .optional("finished_at", .time, "When it ended."),
      .optional("window_start", .time, "From when on facts were examined; absent is from the beginning."),
      .required("window_end", .time, "Until when facts were examined."),
      .required("outcome", .choice(["queued", "running", "complete", "partial", "failed"]), "How it ended."),
      .required("examined", .integer(0...Int64.max), "How many subjects were examined."),
      .required("found_new", .integer(0...Int64.max), "How many findings opened in it."),
      .required("persisting", .integer(0...Int64.max), "How many findings were open before and are still."),
      .required("resolved", .integer(0...Int64.max), "How many findings vanished in it."),
      .required("repaired", .integer(0...Int64.max), "How many findings it made good."),
      .required("missed", .integer(0...Int64.max), "How many runs before it fell due and were never begun."),
      .optional(
        "provider", .choice(["complete", "incomplete"]), "How the reading of the listing ended, if asked for."),
      .required("repair", .choice(["none", "safe"]), "How far it might go."),
      .required("remarks", .list(of: .text()), "What it could not do, and why, in sentences for a person."),
      .optional("error", .text(), "Why it failed."),
    ]))

  static let new = APISchema.named(
    "NewReconciliation",
    .object([
      .optional("provider", .nullable(.boolean), "Whether Terra's listing is read and compared."),
      .optional(
        "repair", .nullable(.choice(of: RepairMode.self)), "How far it may go; `none` where nothing is said."),
      .optional(
        "full", .nullable(.boolean),
        "Whether everything that was ever recorded is examined, not what came since the last run."),
    ]))

  static let rehearsal = APISchema.named(
    "Rehearsal",
    .object([
      .required("findings", .list(of: transition), "The findings that would open, come back or be resolved."),
      .required("repairs", .list(of: repair), "What would be done about findings, oldest first."),
      .required("remarks", .list(of: .text()), "What could not be done, and why, in sentences for a person."),
      .required("is_partial", .boolean, "Whether Terra could not be asked about everything."),
    ]))

  static let transition = APISchema.object([
    .required("type", .choice(of: FindingTransitionType.self), "Whether it would open, come back or be resolved."),
    .required("finding_id", .uuid, "The finding's id, the same that a run would give it."),
    .required("kind", .choice(of: FindingKind.self), "Its kind."),
    .required("severity", .choice(of: FindingSeverity.self), "How bad it is."),
    .required("reason_code", .text(), "Why, as a stable code."),
    .required("subject", FindingSchemas.subject, "What it is about."),
    .required("summary", .text(), "One sentence for a person."),
  ])

  static let repair = APISchema.named(
    "Repair",
    .object([
      .required("finding_id", .uuid, "The finding."),
      .required("kind", .choice(of: FindingKind.self), "Its kind."),
      .optional("user_id", .text(), "The connection."),
      .required(
        "act", .choice(["confirmed", "ended", "left"]),
        "A correction says that the connection is alive, or that it is gone; or nothing can be proved."),
      .required("reason", .text(), "Why, in a sentence for a person."),
      .optional("correction_id", .uuid, "The correction that was written; absent in a rehearsal."),
    ]))
}
