import ConnectionRegistry
import Foundation
import HTTPTypes
import Hummingbird

/// `/v1/changes`: the change feed.
enum ChangeOperations {
  static func all(_ registry: ConnectionRegistry) -> [APIOperation] {
    [
      APIOperation(
        .get, "/v1/changes", id: "listChanges", tag: .changes, scope: .connectionsRead,
        summary: "Follow the change feed",
        description: """
          Every transition of every connection, in an order in which none is overlooked: those of one connection in the \
          order of their `sequence`, and nothing ever appears before a cursor that was given out. Continue with the \
          `cursor` of the answer. With `wait` the answer comes with the first change, or empty when the time is over. With \
          `Accept: text/event-stream` the changes come as server-sent events: `id` is the cursor, `data` the change as \
          JSON; a comment comes every 15 seconds, and after 15 minutes the stream ends, so that the client connects anew \
          with `Last-Event-ID`.
          """,
        parameters: [
          .query(
            "after", .printable(1...2_048),
            "Where to begin: the `cursor` of an answer or of a change, unchanged; `now` for what is new; from the "
              + "beginning where nothing is said."),
          .query("limit", .integer(1...200), "How many changes at most; 100 where nothing is said."),
          .query(
            "wait", .integer(0...60),
            "How many seconds to wait for a change where there is none; 0 where nothing is said."),
          .header(
            "Last-Event-ID", .printable(1...2_048),
            "The `id` of the last event that came; before `after`. Clients of server-sent events send it by themselves."
          ),
        ],
        answer: .ok(
          ChangeSchemas.page, "The changes, possibly none.",
          links: [
            .to("showConnection", "user_id", from: "/items/0/user_id"), .to("listChanges", "after", from: "/cursor"),
          ], orAsText: "text/event-stream"),
        timeLimit: Changes.maximumWait + .seconds(15)
      ) { call in
        var stream = try await stream(registry, call)
        if ChangeEvents.areWanted(by: call.request) {
          return .response(ChangeEvents(stream: stream, request: call.request).response)
        }
        let page = try await stream.next(within: .zero)
        let time = Duration.seconds(call.query.integer("wait") ?? 0)
        guard page.items.isEmpty, time > .zero else { return try .json(page) }
        let later = try await Departure.watching(call.request) { [stream] in
          var stream = stream
          return try await stream.next(within: time)
        }
        // A connection that was watched is closed, which its client must know before it sends the next request.
        return .response(try JSONAnswer.response(later, headers: [.connection: "close"]))
      }
    ]
  }

  private static func stream(_ registry: ConnectionRegistry, _ call: APICall) async throws -> ChangeStream {
    let lastEventID = call.request.headers[.lastEventID]
    let start: ChangeStart =
      switch lastEventID ?? call.query["after"] {
      case nil: .beginning
      case "now": .now
      case .some(let text): .after(text)
      }
    do {
      return try await registry.changes.stream(
        tenant: call.tenant, after: start, limit: call.query.integer("limit") ?? 100)
    } catch let error as RegistryError where error.field == "after" && lastEventID != nil {
      throw RegistryError(error.code, error.message, field: "Last-Event-ID", retryAfter: error.retryAfter)
    }
  }
}

extension HTTPField.Name {
  static let lastEventID: HTTPField.Name = {
    guard let name = HTTPField.Name("Last-Event-ID") else { preconditionFailure("the name is a token") }
    return name
  }()
}
