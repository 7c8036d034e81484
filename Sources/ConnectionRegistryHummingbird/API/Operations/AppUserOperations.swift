import ConnectionRegistry
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// `/v1/app-users`: the people, by the team's own ids.
enum AppUserOperations {
  fileprivate static let referenceID = APIParameter.path(
    "reference_id", .text(1...1_024), "The app user's id at the team, percent-encoded, `/` included.")

  static func all(_ registry: ConnectionRegistry) -> [APIOperation] {
    [list(registry), show(registry), tag(registry), merge(registry), erase(registry), export(registry)]
  }

  private static func list(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/app-users", id: "listAppUsers", tag: .appUsers, scope: .connectionsRead, summary: "List app users",
      description: "App users in the order in which they were first named, those that were merged into others too.",
      parameters: [
        .query("tag", TagSchemas.filter, "Only those with this tag.")
      ] + APIParameter.span("first named", named: "created") + APIParameter.page,
      answer: .page(
        of: AppUserSchemas.person, "A page of app users.",
        links: [
          .to("showAppUser", "reference_id", from: "/items/0/reference_id"),
          .to("tagAppUser", "reference_id", from: "/items/0/reference_id"),
        ])
    ) { call in
      try .page(
        await registry.appUsers.list(
          tenant: call.tenant, tag: call.query["tag"].flatMap(Tag.init(query:)),
          created: call.query.span("created"), page: call.query.page))
    }
  }

  private static func show(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/app-users/{reference_id}", id: "showAppUser", tag: .appUsers, scope: .connectionsRead,
      summary: "Show an app user",
      description: """
        One app user with all its connections and its sessions. One that was merged into another has none: \
        `merged_into` says where they are.
        """,
      parameters: [referenceID], hasEntityTag: true,
      answer: .ok(
        AppUserSchemas.detail, "The app user.",
        links: [.to("showConnection", "user_id", from: "/connections/0/user_id")])
    ) { call in
      try .json(call.shown(await registry.appUsers.show(tenant: call.tenant, call.path("reference_id"))))
    }
  }

  private static func tag(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .patch, "/v1/app-users/{reference_id}", id: "tagAppUser", tag: .appUsers, scope: .connectionsWrite,
      summary: "Change an app user's tags",
      description: """
        Sets the tags that are named and takes away those that are null; the others stay. `If-Match` takes the `ETag` \
        of this operation's own answers or of "Show an app user".
        """,
      parameters: [referenceID], body: TagSchemas.changes, hasEntityTag: true,
      answer: .ok(AppUserSchemas.person, "The app user, changed."), problems: [.limitReached]
    ) { call in
      let name = try call.path("reference_id")
      var expected: (@Sendable (AppUser) -> Bool)?
      if call.hasPrecondition {
        let detail = call.shown(try await registry.appUsers.show(tenant: call.tenant, name))
        // The tag may name the detail, which holds only while the app user in it is the one that is changed.
        expected = { call.isExpected($0) || $0 == detail.appUser && call.isExpected(detail) }
      }
      return try .json(
        await registry.appUsers.tag(
          tenant: call.tenant, name, call.body(TagChangesBody.self).tags,
          expected: expected))
    }
  }

  private static func merge(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .post, "/v1/app-users/{reference_id}/merge", id: "mergeAppUser", tag: .appUsers, scope: .connectionsWrite,
      summary: "Merge an app user into another",
      description: """
        Says that one app user turned out to be another: an anonymous one who has signed in. The other has its \
        connections and sessions from now on, whenever their facts come. A repetition changes nothing, and there is \
        no way back.
        """,
      parameters: [referenceID], body: AppUserSchemas.merge, idempotency: .kept,
      answer: .ok(
        AppUserSchemas.detail, "The app user who has everything now.",
        links: [.to("showAppUser", "reference_id", from: "/reference_id")]),
      problems: [.mergeConflict]
    ) { call in
      try .json(
        await registry.appUsers.merge(
          tenant: call.tenant, call.path("reference_id"), into: call.body(MergeBody.self).into, by: call.actor))
    }
  }
}

extension AppUserOperations {
  fileprivate static func erase(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .delete, "/v1/app-users/{reference_id}", id: "eraseAppUser", tag: .appUsers, scope: .admin,
      summary: "Erase an app user",
      description: """
        Takes out everything that is held about one app user and about those who were merged into it, copies and waiting \
        deliveries included. There is no way back. Nothing is ended at Terra: deauthenticate connections before. What \
        comes later about the connections and sessions is not recorded; a new session or connection of the same app user \
        begins anew. An erasure that is broken off, or answered `erasure_unfinished`, goes on when it is asked for again.
        """,
      parameters: [referenceID], answer: .ok(AppUserSchemas.erasure, "How much was taken out."),
      problems: [.mergeConflict, .erasureUnfinished], timeLimit: .seconds(300)
    ) { call in
      try .json(
        await registry.appUsers.erase(tenant: call.tenant, call.path("reference_id"), by: call.actor))
    }
  }

  fileprivate static func export(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/app-users/{reference_id}/export", id: "exportAppUser", tag: .appUsers, scope: .admin,
      summary: "Export an app user",
      description: """
        Gives out everything that an erasure would take out, as one JSON document that is sent while it is read: one that \
        ends early is no JSON. Answers that are kept for repetitions are left out, and so are sealed secrets.
        """,
      parameters: [referenceID], answer: .ok(AppUserSchemas.export, "Everything."), problems: [.mergeConflict],
      timeLimit: .seconds(300)
    ) { call in
      let export = try await registry.appUsers.export(tenant: call.tenant, call.path("reference_id"))
      return .response(
        Response(
          status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
          body: ResponseBody { writer in
            for try await piece in export { try await writer.write(ByteBuffer(bytes: piece)) }
            try await writer.finish(nil)
          }))
    }
  }
}

/// The body of `PATCH` on what has tags.
struct TagChangesBody: StrictBody {
  var tags: [String: String?]
}

/// The body of `POST /v1/app-users/{reference_id}/merge`.
struct MergeBody: StrictBody {
  var into: String
}
