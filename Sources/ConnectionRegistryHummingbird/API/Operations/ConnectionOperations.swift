import ConnectionRegistry
import Foundation
import HTTPTypes
import RegistryModel

/// `/v1/connections`: what is connected.
enum ConnectionOperations {
  static func all(_ registry: ConnectionRegistry) -> [APIOperation] {
    [
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
        ] + APIParameter.page,
        answer: .page(
          of: ConnectionSchemas.connection, "A page of connections.",
          links: [
            .to("showConnection", "user_id", from: "/items/0/user_id"),
            .to("showAppUser", "reference_id", from: "/items/0/reference_id"),
          ])
      ) { call in
        let filter = ConnectionFilter(
          referenceID: call.query["reference_id"], resource: call.query["resource"]?.uppercased(),
          statuses: statuses(call.query.list("status")))
        return try .page(
          await registry.connections.list(tenant: call.tenant, filter: filter, page: call.query.page))
      },
      APIOperation(
        .get, "/v1/connections/{user_id}", id: "showConnection", tag: .connections, scope: .connectionsRead,
        summary: "Show a connection",
        description: "One connection with its whole story: transitions, events, sessions, corrections.",
        parameters: [.path("user_id", .text(1...256), "Terra's id of the connection.")],
        answer: .ok(ConnectionSchemas.detail, "The connection and its story.")
      ) { call in
        try .json(await registry.connections.show(tenant: call.tenant, call.path("user_id")))
      },
    ]
  }

  private static func statuses(_ names: [String]?) -> Set<ConnectionStatus>? {
    guard let names else { return nil }
    return names.contains("all") ? Set(ConnectionStatus.allCases) : Set(names.compactMap(ConnectionStatus.init))
  }
}
