import ConnectionRegistry
import RegistryModel

/// Redirect callbacks as JSON: `RedirectCallback`.
enum CallbackSchemas {
  static let callback = APISchema.named(
    "Callback",
    .object([
      .required("callback_id", .uuid, "The callback's id."),
      .required("recorded_at", .time, "When it was recorded."),
      .required("attempt_sha256", .sha256, "The SHA-256 of its token."),
      .optional("session_id", .uuid, "The session with this token."),
      .required("outcome", .choice(["success", "failure"]), "Which of the two URLs the browser came to."),
      .required("verdict", .choice(of: CallbackVerdict.self), "What all facts so far say of the claim."),
      .optional("user_id", .text(), "The claimed connection."),
      .optional("reference_id", .text(), "The claimed app user."),
      .optional("resource", .text(), "The claimed provider."),
      .optional("reason", .text(), "Why it failed, in Terra's words."),
      .required("ambiguous", .list(of: .text()), "Parameters that stood there more than once with different values."),
      .required("raw_query", .text(), "The query as it came."),
    ]))
}
