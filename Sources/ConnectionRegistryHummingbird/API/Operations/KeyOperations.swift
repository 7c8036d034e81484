import ConnectionRegistry
import Foundation
import HTTPTypes

/// `/v1/api-keys`: the tenant's keys to the registry.
enum KeyOperations {
  private static let keyID = APIParameter.path("key_id", .uuid, "The key's id.")
  private static let links: [APILink] = [
    .to("showAPIKey", "key_id", from: "/key/key_id"), .to("rotateAPIKey", "key_id", from: "/key/key_id"),
    .to("revokeAPIKey", "key_id", from: "/key/key_id"),
  ]

  static func all(_ registry: ConnectionRegistry) -> [APIOperation] {
    [create(registry), list(registry), show(registry), revoke(registry), rotate(registry)]
  }

  private static func create(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .post, "/v1/api-keys", id: "createAPIKey", tag: .keys, scope: .admin, summary: "Create an API key",
      description: "Makes a key of this tenant. Its text is in this answer and nowhere else.",
      body: KeySchemas.new, idempotency: .kept,
      answer: .created(KeySchemas.made, "The key with its text.", links: links)
    ) { call in
      let body = try call.body(NewAPIKeyBody.self)
      let made = try await registry.keys.create(
        tenant: call.tenant, name: body.name, scopes: Set(body.scopes), expiresAt: body.expiresAt,
        by: call.actor)
      return try .json(made, status: .created, location: "/v1/api-keys/\(made.key.keyID.text)")
    }
  }

  private static func list(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/api-keys", id: "listAPIKeys", tag: .keys, scope: .admin, summary: "List API keys",
      description: "The tenant's keys, oldest first, without their texts; expired and revoked ones too.",
      parameters: APIParameter.span("made") + APIParameter.page,
      answer: .page(
        of: KeySchemas.key, "A page of keys.", links: [.to("showAPIKey", "key_id", from: "/items/0/key_id")])
    ) { call in
      try .page(await registry.keys.list(tenant: call.tenant, created: call.query.span(), page: call.query.page))
    }
  }

  private static func show(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/api-keys/{key_id}", id: "showAPIKey", tag: .keys, scope: .admin, summary: "Show an API key",
      description: "One key, without its text.", parameters: [keyID], hasEntityTag: true,
      answer: .ok(KeySchemas.key, "The key.")
    ) { call in
      try .json(await registry.keys.show(tenant: call.tenant, call.id("key_id")))
    }
  }

  private static func revoke(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .post, "/v1/api-keys/{key_id}/revoke", id: "revokeAPIKey", tag: .keys, scope: .admin,
      summary: "Revoke an API key",
      description: "Ends a key at once, also the one that asks. A repetition changes nothing.",
      parameters: [keyID], idempotency: .kept, answer: .ok(KeySchemas.key, "The key, revoked.")
    ) { call in
      try .json(await registry.keys.revoke(tenant: call.tenant, call.id("key_id"), by: call.actor))
    }
  }

  private static func rotate(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .post, "/v1/api-keys/{key_id}/rotate", id: "rotateAPIKey", tag: .keys, scope: .admin,
      summary: "Rotate an API key",
      description: """
        Makes a successor with the same name and scopes, while the key itself goes on for `overlap_seconds`, so that \
        callers can change over one by one. Unless `expires_at` is given, the successor lives as long as the key itself \
        was to live: one of 90 days is followed by one of 90 days.
        """,
      parameters: [keyID], body: KeySchemas.rotation, bodyIsOptional: true, idempotency: .kept,
      answer: .created(KeySchemas.made, "The successor with its text.", links: links), problems: [.keyEnded]
    ) { call in
      let body = try call.body(KeyRotationBody.self)
      let made = try await registry.keys.rotate(
        tenant: call.tenant, call.id("key_id"), overlap: .seconds(body.overlapSeconds ?? 86_400),
        expiry: body.expiry, by: call.actor)
      return try .json(made, status: .created, location: "/v1/api-keys/\(made.key.keyID.text)")
    }
  }
}

/// The body of `POST /v1/api-keys`.
struct NewAPIKeyBody: StrictBody {
  var name: String
  var scopes: [APIKeyScope]
  var expiresAt: Date?
}

/// The body of `POST /v1/api-keys/{key_id}/rotate`: null and absent differ.
struct KeyRotationBody: StrictBody {
  private enum CodingKeys: String, CodingKey {
    case overlapSeconds, expiresAt
  }

  let overlapSeconds: Int?
  let expiry: SuccessorExpiry

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    overlapSeconds = try values.decodeIfPresent(Int.self, forKey: .overlapSeconds)
    let end = try values.decodeIfPresent(Date.self, forKey: .expiresAt)
    expiry = end.map(SuccessorExpiry.at) ?? (values.contains(.expiresAt) ? .never : .asBefore)
  }
}
