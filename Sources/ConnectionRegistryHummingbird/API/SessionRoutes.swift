import ConnectionRegistry
import Foundation
import HTTPTypes
import Hummingbird

/// `/v1/sessions`: opening sessions, and looking at them.
struct SessionRoutes: Sendable {
  let registry: ConnectionRegistry

  func add<Context: RequestContext>(to router: some RouterMethods<Context>) {
    router.post("v1/sessions") { request, _ in
      let grant = try await APIAccess.grant(for: request, scope: .sessionsWrite, registry: registry)
      let body = try await JSONBody.decode(NewSessionBody.self, from: request)
      let session = try await registry.sessions.open(
        tenant: grant.tenant, body.session, idempotencyKey: try Self.idempotencyKey(request))
      return try JSONAnswer.response(
        session, status: .created, headers: [.location: "/v1/sessions/\(session.sessionID.uuidString.lowercased())"])
    }
    router.get("v1/sessions") { request, _ in
      let grant = try await APIAccess.grant(for: request, scope: .connectionsRead, registry: registry)
      let query = try QueryParameters(request, allowed: ["reference_id", "limit", "cursor"])
      return try JSONAnswer.response(
        try await registry.sessions.list(
          tenant: grant.tenant, referenceID: query["reference_id"], page: try query.page()))
    }
    router.get("v1/sessions/{session_id}") { request, context in
      let grant = try await APIAccess.grant(for: request, scope: .connectionsRead, registry: registry)
      guard let id = UUID(uuidString: try context.parameters.require("session_id")) else {
        throw Problem(.notFound, "not_found", "No session of this tenant has this id.")
      }
      return try JSONAnswer.response(try await registry.sessions.show(tenant: grant.tenant, id))
    }
  }

  private static func idempotencyKey(_ request: Request) throws -> String? {
    let keys = request.headers[values: .idempotencyKey]
    guard keys.count <= 1 else {
      throw Problem(.badRequest, "invalid_request", "Send one Idempotency-Key at most.", field: "Idempotency-Key")
    }
    return keys.first
  }
}

/// The body of `POST /v1/sessions`.
struct NewSessionBody: StrictBody {
  enum CodingKeys: String, CodingKey, CaseIterable {
    case referenceID = "reference_id"
    case resource, success, failure, language, providers
    case multiAuth = "multi_auth"
  }

  let session: NewAuthSession

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    session = NewAuthSession(
      referenceID: try values.decodeIfPresent(String.self, forKey: .referenceID),
      resource: try values.decodeIfPresent(String.self, forKey: .resource),
      success: try values.decode(String.self, forKey: .success),
      failure: try values.decode(String.self, forKey: .failure),
      language: try values.decodeIfPresent(String.self, forKey: .language),
      providers: try values.decodeIfPresent([String].self, forKey: .providers),
      multiAuth: try values.decodeIfPresent(Bool.self, forKey: .multiAuth) ?? false)
  }
}
