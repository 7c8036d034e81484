import ConnectionRegistry
import RegistryModel

/// Sessions as JSON: `AuthSession`, and what one is opened with.
enum SessionSchemas {
  static let session = APISchema.named(
    "Session",
    .object([
      .required("session_id", .uuid, "The session's id."),
      .required(
        "kind", .choice(["direct", "widget", "mobile"]),
        "How it was begun at Terra: for one resource, with the widget, or with a token for a phone."),
      .required("status", .choice(of: SessionStatus.self), "What became of it, from all facts and claims so far."),
      .optional("reference_id", .text(), "The app user's id at the team; absent for an anonymous attempt."),
      .optional("resource", .text(), "The resource, where the session is for one."),
      .required("multi_auth", .boolean, "Whether several connections may come of it."),
      .optional("user_id", .text(), "The id that Terra gave out in advance; absent for the widget."),
      .optional("terra_session_id", .text(), "Terra's id of the widget session."),
      .optional(
        "auth_url", .url,
        "Where to send the browser; only to keys with `sessions:write`, and where the tenant binds browsers only in the "
          + "answer that opens the session."),
      .optional(
        "token", .text(), "What the phone connects with, once; only in the answer that opens a mobile session."),
      .optional("return_success", .url, "Where the browser returns after a success; absent without a redirect."),
      .optional("return_failure", .url, "Where the browser returns after a failure; absent without a redirect."),
      .required("channel", .choice(["api", "gateway"]), "Through which surface it was begun."),
      .optional("replaces", .text(), "The connection that it is to replace."),
      .required("is_bound", .boolean, "Whether the browser that comes back must be the one that began."),
      .optional("refused_reason", .text(), "Why Terra refused to begin it."),
      .optional("refused_code", .text(), "The code of that problem."),
      .required("created_at", .time, "When it was opened."),
      .required("expires_at", .time, "Until when it can be used."),
    ]))

  static let new = APISchema.named("NewSession", .variants(of: .object(newMembers), newKinds))

  private static let newMembers: [APISchema.Member] = [
    .optional(
      "kind", .nullable(.choice(["direct", "widget", "mobile"])),
      "How to begin it; where nothing is said, direct with a resource and widget without, and for a connection to "
        + "replace as that one was."),
    .optional(
      "reference_id", .nullable(.text(1...1_024, like: "person-1")),
      "The app user's id at the team: opaque, stable, 1 to 1,024 bytes. Null is an anonymous attempt."),
    .optional(
      "resource", .nullable(.text(1...64, like: "FITBIT")),
      "The provider as Terra spells it. Without it the person chooses in Terra's widget."),
    .optional(
      "success", .nullable(.text(1...2_048, like: "https://app.example/devices")),
      "Where the browser returns after a success; on the tenant's allow-list."),
    .optional(
      "failure", .nullable(.text(1...2_048, like: "https://app.example/devices/error")),
      "Where the browser returns after a failure; on the tenant's allow-list."),
    .optional("language", .nullable(.printable(1...35, like: "en")), "The widget's language."),
    .optional(
      "providers", .nullable(.list(of: .element(1...64, like: "GARMIN"), 0...200)),
      "The providers that the widget offers; all where none is named."),
    .optional("multi_auth", .nullable(.boolean), "Whether several connections may come of it."),
    .optional(
      "replaces", .nullable(.text(1...256)),
      "The connection that is to be connected again (`reconnect` in its JSON); gives app user and resource."),
  ]

  private typealias Rule = APISchema.Variant.Rule

  private static let returning: [String: Rule] = ["success": .given, "failure": .given]
  /// What only a widget can do is not asked for.
  private static let withoutChoice: [String: Rule] = [
    "providers": .limited(.list(of: .element(1...64), 0...0)), "multi_auth": .limited(.constant(false)),
  ]
  private static let withoutBrowser: [String: Rule] = ["success": .absent, "failure": .absent, "language": .absent]

  private static func kind(_ name: String) -> APISchema { .choice([name]) }

  private static let newKinds: [APISchema.Variant] = [
    APISchema.Variant(
      title: "a direct session", toldBy: ["kind": .limited(kind("direct")), "replaces": .absent],
      rules: returning.merging(withoutChoice) { $1 }.merging(["resource": .given]) { $1 }),
    APISchema.Variant(
      title: "a widget session", toldBy: ["kind": .limited(kind("widget")), "replaces": .absent],
      rules: returning.merging(["resource": .absent]) { $1 }),
    APISchema.Variant(
      title: "a mobile session", toldBy: ["kind": .exactly(kind("mobile"))],
      rules: withoutBrowser.merging(withoutChoice) { $1 }),
    APISchema.Variant(
      title: "a session that replaces a connection",
      toldBy: ["kind": .limited(kind("direct")), "replaces": .given], rules: returning.merging(withoutChoice) { $1 }),
    APISchema.Variant(
      title: "a widget session that replaces a connection",
      toldBy: ["kind": .exactly(kind("widget")), "replaces": .given],
      rules: returning.merging(["resource": .absent]) { $1 }),
    APISchema.Variant(
      title: "a session that replaces a phone's connection",
      toldBy: ["kind": .absent, "replaces": .given], rules: withoutBrowser.merging(withoutChoice) { $1 }),
  ]
}
