import ConnectionRegistry
import RegistryModel

/// Endpoints and deliveries as JSON: `Endpoint`, `EndpointWithSecret`, `Delivery`, `DeliveryDetail`, and what they take.
enum DeliverySchemas {
  static let endpoint = APISchema.named(
    "Endpoint",
    .object([
      .required("endpoint_id", .uuid, "The endpoint's id."),
      .required("url", .url, "Where deliveries are sent, by POST."),
      .required("description", .text(0...200), "What it is for."),
      .optional("statuses", statuses, "The states whose changes it gets; absent where it gets all."),
      .required("finding_types", findingTypes, "The transitions of findings that it gets; empty where none."),
      .required("created_at", .time, "When it was added; it gets the changes from then on, older ones by replay."),
      .optional("disabled_at", .time, "Since when it gets nothing; absent while it works."),
      .optional("disabled_reason", .choice(of: Endpoint.DisabledReason.self), "Why it gets nothing."),
      .optional("failing_since", .time, "Since when every attempt has failed; absent while they do not."),
      .optional("last_success_at", .time, "When it last took a delivery, to the minute."),
      .optional("previous_secret_until", .time, "Until when the secret before the last rotation signs too."),
    ]))

  static let withSecret = APISchema.named(
    "EndpointWithSecret",
    .object([
      .required("endpoint", endpoint, "The endpoint."),
      .required("secret", .text(), "What its deliveries are signed with (Standard Webhooks); shown this once."),
    ]))

  static let new = APISchema.named(
    "NewEndpoint",
    .object([
      .required(
        "url", .text(1...2_048, like: "https://backend.example/registry"),
        "Where deliveries are sent: https, to a public address unless the operator allows another."),
      .optional("description", .text(0...200, like: "Backend"), "What it is for."),
      .optional("statuses", .nullable(statuses), "The states whose changes it gets; null or absent is all."),
      .optional("finding_types", findingTypes, "The transitions of findings that it gets; empty or absent is none."),
    ]))

  static let changes = APISchema.named(
    "EndpointChanges",
    .object([
      .optional("url", .text(1...2_048, like: "https://backend.example/registry"), "Another URL."),
      .optional("description", .text(0...200, like: "Backend"), "Another description."),
      .optional("statuses", .nullable(statuses), "Other states whose changes it gets; null is all."),
      .optional("finding_types", findingTypes, "Other transitions of findings that it gets; empty is none."),
    ]))

  static let rotation = APISchema.named(
    "SecretRotation",
    .object([
      .optional(
        "overlap_seconds", .integer(0...2_592_000),
        "For how long deliveries are signed with the old secret too; a day where nothing is said.")
    ]))

  static let delivery = APISchema.named(
    "Delivery",
    .object([
      .required("delivery_id", .uuid, "The delivery's id, the `webhook-id` of every attempt."),
      .required("endpoint_id", .uuid, "Where it goes."),
      .required(
        "type", .text(),
        "`connection.` and the state after the change, `finding.` and its transition, `endpoint.disabled` or `ping`."),
      .optional("user_id", .text(), "The connection that changed."),
      .optional("finding_id", .uuid, "The finding that it tells of."),
      .optional(
        "sequence", .integer(1...Int64.max), "The number of the change within its connection or finding."),
      .required("state", .choice(of: Delivery.State.self), "What became of it so far."),
      .required("attempts", .integer(0...Int64.max), "How many attempts there were since it was last made due."),
      .required("created_at", .time, "When it was written."),
      .optional("last_attempt_at", .time, "When the last attempt was made."),
      .optional("next_attempt_at", .time, "When the next attempt is due, while it is pending."),
      .optional("last_status", .integer(), "The status of the last answer."),
      .optional("last_error", .text(), "Why the last attempt failed."),
      .optional("settled_at", .time, "When it was delivered or given up."),
    ]))

  static let detail = APISchema.named(
    "DeliveryDetail",
    .object([
      .required("delivery", delivery, "The delivery."),
      .required("body", .text(), "The body, byte for byte, as it was made at the time of the change."),
    ]))

  static let replay = APISchema.named(
    "Replay",
    .object([
      .optional("since", .time, "Changes recorded at this time or later."),
      .optional("until", .time, "Changes recorded before this time."),
      .optional("user_id", .text(1...256), "Changes of this connection."),
      .optional("from_sequence", .integer(1...Int64.max), "From this number on; needs `user_id`."),
      .optional("to_sequence", .integer(1...Int64.max), "Up to this number; needs `user_id`."),
    ]))

  static let replayed = APISchema.named(
    "Replayed", .object([.required("changes", .integer(0...Int64.max), "How many changes go out.")]))

  private static let findingTypes = APISchema.list(of: .choice(of: FindingTransitionType.self), 0...4)
  private static let statuses = APISchema.list(of: .choice(of: ConnectionStatus.self), 1...7)
}
