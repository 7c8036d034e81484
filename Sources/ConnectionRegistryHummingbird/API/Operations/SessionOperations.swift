import ConnectionRegistry
import Foundation
import HTTPTypes
import RegistryModel

/// `/v1/sessions`: opening sessions, and looking at them.
enum SessionOperations {
  static func all(_ registry: ConnectionRegistry) -> [APIOperation] {
    [
      APIOperation(
        .post, "/v1/sessions", id: "openSession", tag: .sessions, scope: .sessionsWrite, summary: "Open a session",
        description: """
          Begins one attempt of an app user to connect, and gives out where to send the browser (`auth_url`) or, for \
          an app on a phone, its `token`. With `replaces` a connection is connected again: the new one supersedes it \
          once Terra says so. A \
          repetition with the same `Idempotency-Key` gives the same session, and asks Terra again only where Terra \
          failed or was not reached.
          """,
        body: SessionSchemas.new, idempotency: .own,
        answer: .created(
          SessionSchemas.session, "The session.", links: [.to("showSession", "session_id", from: "/session_id")]),
        problems: [.returnURLNotAllowed, .notFound, .replacesConflict, .shadowMode, .terraUserLimit]
          + ProblemCode.ofCallsToTerra
      ) { call in
        let session = try await registry.sessions.open(
          tenant: call.tenant, try call.body(NewSessionBody.self).session, idempotencyKey: call.idempotencyKey)
        return try .json(
          session, status: .created, location: "/v1/sessions/\(session.sessionID.text)")
      },
      APIOperation(
        .get, "/v1/sessions", id: "listSessions", tag: .sessions, scope: .connectionsRead, summary: "List sessions",
        description: """
          Sessions, oldest first. What became of one is computed from all facts, so with `status` a page may hold fewer \
          rows than its limit, or none, and yet be followed by another.
          """,
        parameters: [
          .query("reference_id", .text(1...1_024), "Only of this app user."),
          .query("resource", .text(1...64, like: "FITBIT"), "Only for this provider, in any case."),
          .query(
            "status", .list(of: .choice(of: SessionStatus.self), 1...8), "Only in one of these states, by commas."),
        ] + APIParameter.span("opened") + APIParameter.page,
        answer: .page(
          of: SessionSchemas.session, "A page of sessions.",
          links: [.to("showSession", "session_id", from: "/items/0/session_id")])
      ) { call in
        let query = call.query
        let filter = AuthSessionFilter(
          referenceID: query["reference_id"], resource: query["resource"],
          statuses: query.list("status").map { Set($0.compactMap(SessionStatus.init)) }, opened: query.span())
        var sessions = try await registry.sessions.list(tenant: call.tenant, filter: filter, page: query.page)
        sessions.items = sessions.items.map(call.shown)
        return try .page(sessions)
      },
      APIOperation(
        .get, "/v1/sessions/{session_id}", id: "showSession", tag: .sessions, scope: .connectionsRead,
        summary: "Show a session", description: "One session with what became of it.",
        parameters: [.path("session_id", .uuid, "The session's id.")], hasEntityTag: true,
        answer: .ok(SessionSchemas.session, "The session.")
      ) { call in
        try .json(call.shown(await registry.sessions.show(tenant: call.tenant, call.id("session_id"))))
      },
    ]
  }
}

/// The body of `POST /v1/sessions`.
struct NewSessionBody: StrictBody {
  var kind: AuthSession.Kind?
  var referenceID: String?
  var resource: String?
  var success: String?
  var failure: String?
  var language: String?
  var providers: [String]?
  var multiAuth: Bool?
  var replaces: String?

  /// What the registry opens.
  var session: NewAuthSession {
    NewAuthSession(
      kind: kind, referenceID: referenceID, resource: resource, success: success, failure: failure, language: language,
      providers: providers, multiAuth: multiAuth ?? false, replaces: replaces)
  }
}
