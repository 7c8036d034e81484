public import ArgumentParser
public import ConnectionRegistry
import Foundation
public import RegistryModel

/// Auth sessions: attempts to connect.
struct SessionCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "session", abstract: "Auth sessions: attempts of app users to connect.",
    subcommands: [Create.self, List.self, Show.self])
}

extension AuthSession.Kind: ExpressibleByArgument {}
extension SessionStatus: ExpressibleByArgument {}

extension SessionCommand {
  /// Opens a session.
  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Open a session at Terra, and print where to send the browser.")

    @Option(
      name: .customLong("reference-id"), help: ArgumentHelp("The app user's id at the team.", valueName: "id"))
    var referenceID: String?

    @Option(
      help: ArgumentHelp(
        "The provider, such as FITBIT; without it the person chooses in Terra's widget.", valueName: "name"))
    var resource: String?

    @Option(
      help: ArgumentHelp("Where the browser returns after a success; must be allowed for the tenant.", valueName: "url")
    )
    var success: String?

    @Option(
      help: ArgumentHelp("Where the browser returns after a failure; must be allowed for the tenant.", valueName: "url")
    )
    var failure: String?

    @Option(
      help: ArgumentHelp(
        "direct, widget or mobile, which gives a token; without it direct with a resource and widget without.",
        valueName: "kind"))
    var kind: AuthSession.Kind?

    @Option(
      help: ArgumentHelp("Connect this connection again; gives app user and resource.", valueName: "user-id"))
    var replaces: String?

    @Option(help: ArgumentHelp("The widget's language, such as en.", valueName: "code"))
    var language: String?

    @Option(
      name: .customLong("provider"),
      help: ArgumentHelp("A provider that the widget offers; may be repeated.", valueName: "name"))
    var providers: [String] = []

    @Flag(help: "Let the person connect several providers in one session (widget only).")
    var multiAuth = false

    @Option(help: ArgumentHelp("Makes a repetition give the same session.", valueName: "key"))
    var idempotencyKey: String?

    @OptionGroup var scope: TenantScope

    func run() async throws {
      let new = NewAuthSession(
        kind: kind, referenceID: referenceID, resource: resource, success: success, failure: failure,
        language: language,
        providers: providers.isEmpty ? nil : providers, multiAuth: multiAuth,
        replaces: replaces)
      try await scope.print {
        try await $0.sessions.open(tenant: $1, new, idempotencyKey: idempotencyKey)
      }
    }
  }

  /// Lists sessions.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List sessions, oldest first.")

    @Option(name: .customLong("reference-id"), help: ArgumentHelp("Only of this app user.", valueName: "id"))
    var referenceID: String?

    @Option(help: ArgumentHelp("Only for this provider, such as FITBIT.", valueName: "name"))
    var resource: String?

    @Option(
      name: .customLong("status"), help: ArgumentHelp("Only in this state; may be repeated.", valueName: "status"))
    var statuses: [SessionStatus] = []

    @OptionGroup var span: SpanOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var scope: TenantScope

    static let columns = [
      Column("session_id", header: "session"), Column("kind"), Column("status", .status),
      Column("reference_id", header: "reference id"), Column("resource"), Column("user_id", header: "user id"),
      Column("created_at", header: "created", .time), Column("expires_at", header: "expires", .time),
    ]

    func run() async throws {
      let filter = AuthSessionFilter(
        referenceID: referenceID, resource: resource, statuses: statuses.isEmpty ? nil : Set(statuses),
        opened: span.range)
      try await scope.list(page, columns: Self.columns, empty: "No sessions.") {
        try await $0.sessions.list(tenant: $1, filter: filter, page: $2)
      }
    }
  }

  /// Shows one session.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one session.")

    @Argument(help: "The session's id.", transform: UUIDArgument.parse)
    var sessionID: UUID

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.print {
        try await $0.sessions.show(tenant: $1, sessionID)
      }
    }
  }
}
