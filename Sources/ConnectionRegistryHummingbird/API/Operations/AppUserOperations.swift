import ConnectionRegistry
import Foundation
import HTTPTypes

/// `/v1/app-users`: the people, by the team's own ids.
enum AppUserOperations {
  static func all(_ registry: ConnectionRegistry) -> [APIOperation] {
    [
      APIOperation(
        .get, "/v1/app-users/{reference_id}", id: "showAppUser", tag: .appUsers, scope: .connectionsRead,
        summary: "Show an app user",
        description: "One app user with all its connections and its sessions. `/` in the id is written `%2F`.",
        parameters: [.path("reference_id", .text(1...1_024), "The app user's id at the team, percent-encoded.")],
        answer: .ok(
          AppUserSchemas.detail, "The app user.",
          links: [.to("showConnection", "user_id", from: "/connections/0/user_id")])
      ) { call in
        try .json(await registry.appUsers.show(tenant: call.tenant, call.path("reference_id")))
      }
    ]
  }
}
