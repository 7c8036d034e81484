import ConnectionRegistry
import Foundation
import HTTPTypes

/// `/v1/events` and `/v1/callbacks`: what Terra said, and what browsers claimed.
enum EventOperations {
  static func all(_ registry: ConnectionRegistry) -> [APIOperation] {
    [
      ingest(registry), listEvents(registry), showEvent(registry), listCallbacks(registry), showCallback(registry),
    ]
  }

  /// The largest body of events, in bytes.
  static let maximumBytes = 4 << 20

  private static func ingest(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .post, "/v1/events", id: "ingestEvents", tag: .events, scope: .eventsIngest, summary: "Take in events",
      description: """
        Takes in events that did not come as webhooks, from whatever drains a queue or a bucket: a line for each, \
        `{"emitted_at": "2026-01-01T00:00:00Z", "event": {…}}`, where `event` is what Terra sends. There is no \
        signature, so whoever holds the key is trusted: the events are shown as `trusted:` and the channel's name. All \
        belong to the key's tenant, whatever they say. Lines may come in any order and again. One that cannot be read \
        is told by its number and left out; the others are taken in.
        """,
      parameters: [
        .query(
          "channel", APISchema(form: .text(length: 1...32, format: .channel), example: "sqs"),
          "What the channel is called; `api` where nothing is said.")
      ],
      body: .text(like: #"{"emitted_at": "2026-01-01T00:00:00Z", "event": {"type": "healthcheck"}}"#),
      bodyForm: .lines(maximumBytes: maximumBytes), idempotency: .kept,
      answer: .ok(EventSchemas.ingest, "What became of the lines."), timeLimit: .seconds(120)
    ) { call in
      try .json(
        await registry.webhooks.ingest(
          tenant: call.tenant, channel: call.query["channel"] ?? "api", by: call.actor, lines: LineBody(call.body)))
    }
  }

  private static func listEvents(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/events", id: "listEvents", tag: .events, scope: .connectionsRead, summary: "List auth events",
      description: "Verified, deduplicated webhooks about authentication, in the order in which they were recorded.",
      parameters: [
        .query("user_id", .text(1...256), "Only about this connection."),
        .query("reference_id", .text(1...1_024), "Only those that name this app user."),
        .query("kind", EventSchemas.kind, "Only of this kind."),
        .query("resource", .text(1...64, like: "FITBIT"), "Only about this provider, in any case."),
      ] + APIParameter.span("recorded") + APIParameter.page,
      answer: .page(
        of: EventSchemas.event, "A page of events.", links: [.to("showEvent", "event_id", from: "/items/0/event_id")])
    ) { call in
      let query = call.query
      return try .page(
        await registry.events.list(
          tenant: call.tenant, userID: query["user_id"], kind: query["kind"],
          filter: AuthEventFilter(
            referenceID: query["reference_id"], resource: query["resource"], recorded: query.span()),
          page: query.page))
    }
  }

  private static func showEvent(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/events/{event_id}", id: "showEvent", tag: .events, scope: .connectionsRead,
      summary: "Show an auth event",
      description: "One event; with `body=true` the body too, as it was signed.",
      parameters: [
        .path("event_id", .uuid, "The event's id."), .query("body", .boolean, "Whether to show the body."),
      ], hasEntityTag: true,
      answer: .ok(EventSchemas.detail, "The event.")
    ) { call in
      let detail = try await registry.events.show(tenant: call.tenant, call.id("event_id"))
      return try .json(EventAnswer(event: detail.event, body: call.query.flag("body") ? detail.body : nil))
    }
  }

  private static func listCallbacks(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/callbacks", id: "listCallbacks", tag: .callbacks, scope: .connectionsRead,
      summary: "List redirect callbacks",
      description: "Arrivals of browsers, with what all facts so far say of their claims, oldest first.",
      parameters: [
        .query("user_id", .text(1...256), "Only those that claim this connection."),
        .query("reference_id", .text(1...1_024), "Only those that claim this app user."),
        .query("resource", .text(1...64, like: "FITBIT"), "Only those that claim this provider, in any case."),
        .query("outcome", .choice(["success", "failure"]), "Only those that came to this of the two URLs."),
      ] + APIParameter.span("recorded") + APIParameter.page,
      answer: .page(
        of: CallbackSchemas.callback, "A page of callbacks.",
        links: [.to("showCallback", "callback_id", from: "/items/0/callback_id")])
    ) { call in
      let query = call.query
      let filter = RedirectCallbackFilter(
        userID: query["user_id"], referenceID: query["reference_id"], resource: query["resource"],
        outcome: query.choice("outcome"), recorded: query.span())
      return try .page(await registry.callbacks.list(tenant: call.tenant, filter: filter, page: query.page))
    }
  }

  private static func showCallback(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/callbacks/{callback_id}", id: "showCallback", tag: .callbacks, scope: .connectionsRead,
      summary: "Show a redirect callback", description: "One arrival of a browser, with its verdict.",
      parameters: [.path("callback_id", .uuid, "The callback's id.")], hasEntityTag: true,
      answer: .ok(CallbackSchemas.callback, "The callback.")
    ) { call in
      try .json(await registry.callbacks.show(tenant: call.tenant, call.id("callback_id")))
    }
  }
}

/// One event, with its body where it was asked for.
struct EventAnswer: Encodable {
  var event: AuthEvent
  var body: String?
}
