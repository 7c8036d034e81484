import ConnectionRegistry

/// API keys as JSON: `APIKey`, `NewAPIKey`, and what they are made with.
enum KeySchemas {
  static let key = APISchema.named(
    "APIKey",
    .object([
      .required("key_id", .uuid, "The key's id."),
      .required("name", .text(), "What the key is for."),
      .required("scopes", .list(of: .choice(of: APIKeyScope.self)), "What it may do."),
      .required("created_at", .time, "When it was made."),
      .optional("expires_at", .time, "When it ends; absent is never."),
      .optional("revoked_at", .time, "When it was revoked."),
      .optional("last_used_at", .time, "When it was last used, to the minute."),
    ]))

  static let made = APISchema.named(
    "NewAPIKey",
    .object([
      .required("key", key, "The key."),
      .required(
        "secret", .printable(74...74), "The text to present as a bearer token. It is shown this once."),
    ]))

  static let new = APISchema.named(
    "APIKeyRequest",
    .object([
      .required("name", .line(1...100, like: "backend"), "What the key is for."),
      .required("scopes", .list(of: .choice(of: APIKeyScope.self), 1...16), "What it may do."),
      .optional("expires_at", .nullable(.time), "When it ends, in the future; without it never."),
    ]))

  static let rotation = APISchema.named(
    "APIKeyRotation",
    .object([
      .optional(
        "overlap_seconds", .nullable(.integer(0...7_776_000)),
        "How long the key goes on beside its successor, in seconds; a day where nothing is said."),
      .optional(
        "expires_at", .nullable(.time),
        "When the successor ends, in the future; null is never. Without it the successor lives as long as the key itself "
          + "was to live."),
    ]))
}
