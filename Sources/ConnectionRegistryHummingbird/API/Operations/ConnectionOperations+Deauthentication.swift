import ConnectionRegistry
import HTTPTypes

extension ConnectionOperations {
  /// `POST /v1/connections/{user_id}/deauthenticate`.
  static func deauthenticate(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .post, "/v1/connections/{user_id}/deauthenticate", id: "deauthenticateConnection", tag: .connections,
      scope: .connectionsWrite, summary: "Deauthenticate a connection",
      description: """
        Ends the connection at Terra, which deletes what it holds and revokes the access at the provider. It cannot be \
        undone. Asking again is safe.
        """,
      parameters: [.path("user_id", .text(1...256), "Terra's id of the connection.")], idempotency: .kept,
      answer: .ok(
        ConnectionSchemas.deauthentication, "What Terra said, and the connection as it is now.",
        links: [.to("showConnection", "user_id", from: "/connection/user_id")]),
      problems: [.notFound, .shadowMode] + ProblemCode.ofCallsToTerra
    ) { call in
      try .json(await registry.connections.deauthenticate(tenant: call.tenant, call.path("user_id")))
    }
  }
}
