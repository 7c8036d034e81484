import ConnectionRegistry
import Foundation
import HTTPTypes
import RegistryModel

/// `/v1/connections`: what is connected.
enum ConnectionOperations {
  private static let userID = APIParameter.path("user_id", .text(1...256), "Terra's id of the connection.")

  static func all(_ registry: ConnectionRegistry) -> [APIOperation] {
    [list(registry), show(registry), tag(registry)]
  }

  private static func list(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/connections", id: "listConnections", tag: .connections, scope: .connectionsRead,
      summary: "List connections",
      description: "Connections, oldest first; without `status` those that were ever connected.",
      parameters: [
        .query("reference_id", .text(1...1_024), "Only of this app user."),
        .query("resource", .text(1...64, like: "FITBIT"), "Only at this provider, in any case."),
        .query(
          "status", .list(of: .choice(ConnectionStatus.allCases.map(\.rawValue) + ["all"]), 1...16),
          "Only in one of these states, separated by commas; `all` is every state."),
        .query("tag", TagSchemas.filter, "Only those with this tag."),
        .query("stale_since", .time, "Only those whose data last came before this time, or never."),
      ] + APIParameter.span("whose first fact was recorded", named: "created")
        + APIParameter.span("that last changed", named: "updated") + APIParameter.page,
      answer: .page(
        of: ConnectionSchemas.connection, "A page of connections.",
        links: [
          .to("showConnection", "user_id", from: "/items/0/user_id"),
          .to("tagConnection", "user_id", from: "/items/0/user_id"),
          .to("deauthenticateConnection", "user_id", from: "/items/0/user_id"),
          .to("showAppUser", "reference_id", from: "/items/0/reference_id"),
        ])
    ) { call in
      let query = call.query
      let filter = ConnectionFilter(
        referenceID: query["reference_id"], resource: query["resource"]?.uppercased(),
        statuses: statuses(query.list("status")), created: query.span("created"),
        updated: query.span("updated"), tag: query["tag"].flatMap(Tag.init(query:)),
        staleSince: query.time("stale_since"))
      return try .page(await registry.connections.list(tenant: call.tenant, filter: filter, page: query.page))
    }
  }

  private static func show(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/connections/{user_id}", id: "showConnection", tag: .connections, scope: .connectionsRead,
      summary: "Show a connection",
      description: "One connection with its whole story: transitions, events, sessions, corrections.",
      parameters: [userID], hasEntityTag: true,
      answer: .ok(
        ConnectionSchemas.detail, "The connection and its story.",
        links: [.to("showEvent", "event_id", from: "/events/0/event_id")])
    ) { call in
      try .json(call.shown(await registry.connections.show(tenant: call.tenant, call.path("user_id"))))
    }
  }

  private static func tag(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .patch, "/v1/connections/{user_id}", id: "tagConnection", tag: .connections, scope: .connectionsWrite,
      summary: "Change a connection's tags",
      description: """
        Sets the tags that are named and takes away those that are null; the others stay. `If-Match` takes the `ETag` \
        of this operation's own answers or of "Show a connection".
        """,
      parameters: [userID], body: TagSchemas.changes, hasEntityTag: true,
      answer: .ok(ConnectionSchemas.connection, "The connection, changed."), problems: [.limitReached]
    ) { call in
      let name = try call.path("user_id")
      var expected: (@Sendable (Connection) -> Bool)?
      if call.hasPrecondition {
        let detail = call.shown(try await registry.connections.show(tenant: call.tenant, name))
        // The tag may name the whole story, which holds only while the connection in it is the one that is changed.
        expected = { call.isExpected($0) || $0 == detail.connection && call.isExpected(detail) }
      }
      return try .json(
        await registry.connections.tag(
          tenant: call.tenant, name, call.body(TagChangesBody.self).tags,
          expected: expected))
    }
  }

  private static func statuses(_ names: [String]?) -> Set<ConnectionStatus>? {
    guard let names else { return nil }
    return names.contains("all") ? Set(ConnectionStatus.allCases) : Set(names.compactMap(ConnectionStatus.init))
  }
}
