import Foundation
import HTTPTypes
import Hummingbird

extension SandboxRoutes {
  /// `DELETE /auth/deauthenticateUser?user_id=`.
  func deauthenticateUser(_ call: TerraCall) async throws -> Response {
    guard let userID = Self.text(call.parameter("user_id")) else {
      throw call.problem(.badRequest, "user_id is missing")
    }
    func note(_ status: Int) async {
      await self.sandbox.note(
        .answer(
          .init(
            tenant: call.environment.slug, userID: userID, isEnding: true, status: status,
            at: self.sandbox.clock.now().timeIntervalSince1970)))
    }
    do {
      try await self.sandbox.deauthenticate(tenant: call.environment.slug, userID: userID)
    } catch let refusal as SandboxRefusal {
      await note(404)
      throw call.problem(refusal)
    }
    await note(200)
    return Response.json(["status": "success"])
  }

  /// `GET /userInfo` by `user_id` or by `reference_id`.
  func userInfo(_ call: TerraCall) async throws -> Response {
    let slug = call.environment.answersSinglyAs ?? call.shownEnvironment
    if let fault = call.environment.userInfoFault { return try await self.userInfo(call, failing: fault) }
    if let userID = Self.text(call.parameter("user_id")) {
      let isLost = await self.isLost(userID, call)
      let known = isLost ? nil : await self.world.connection(tenant: slug, userID: userID)
      await self.sandbox.note(
        .answer(
          .init(
            tenant: call.environment.slug, userID: userID, isEnding: false, status: known == nil ? 404 : 200,
            at: self.sandbox.clock.now().timeIntervalSince1970)))
      guard let connection = known else {
        throw call.problem(.notFound, "User not found")
      }
      return Response.json([
        "status": "success", "user": self.object(connection, call),
        "is_authenticated": .bool(connection.isAuthenticated),
      ])
    }
    guard let referenceID = Self.text(call.parameter("reference_id")) else {
      throw call.problem(.badRequest, "user_id or reference_id is needed")
    }
    let connections = await self.world.authenticated(tenant: slug).filter { $0.referenceID == referenceID }
    let objects = connections.map { self.object($0, call) }
    switch call.environment.userListShape {
    case .array: return Response.json(.array(objects))
    case .users: return Response.json(["status": "success", "users": .array(objects)])
    case .user:
      guard let newest = objects.last else { throw call.problem(.notFound, "User not found") }
      return Response.json(["status": "success", "user": newest, "is_authenticated": true])
    }
  }

  private func userInfo(_ call: TerraCall, failing fault: UserInfoFault) async throws -> Response {
    if let userID = Self.text(call.parameter("user_id")) {
      await self.sandbox.note(
        .answer(
          .init(
            tenant: call.environment.slug, userID: userID, isEnding: false, status: nil,
            at: self.sandbox.clock.now().timeIntervalSince1970)))
    }
    switch fault {
    case .rateLimited: throw call.problem(.tooManyRequests, "Too many requests")
    case .serverError: return Self.proxyPage(.internalServerError)
    case .emptyBody: return Response(status: .ok, headers: [.contentType: "application/json"])
    case .strangeNotFound: return Self.proxyPage(.notFound)
    }
  }

  /// `POST /bulkUserInfo` with an array of ids.
  func bulkUserInfo(_ call: TerraCall) async throws -> Response {
    var objects: [JSONValue] = []
    for userID in try call.decode([String].self) {
      if let connection = await self.world.connection(tenant: call.shownEnvironment, userID: userID) {
        objects.append(self.object(connection, call))
      }
    }
    return Response.json(.array(objects))
  }

  /// `PATCH /users/{user_id}`, which only the legacy generation has.
  func modifyUser(_ call: TerraCall, userID: String) async throws -> Response {
    guard let fields = try? JSONSerialization.jsonObject(with: call.body) as? [String: Any] else {
      throw call.problem(.badRequest, "The request body is malformed")
    }
    let slug = call.environment.slug
    guard var connection = await self.world.connection(tenant: slug, userID: userID) else {
      throw call.problem(.badRequest, "User not found")
    }
    if let reference = fields["reference_id"] {
      let changed = await self.world.setReference(tenant: slug, userID: userID, referenceID: reference as? String)
      connection = changed ?? connection
    }
    if let isActive = fields["active"] as? Bool {
      connection = await self.world.setActive(tenant: slug, userID: userID, isActive: isActive) ?? connection
    }
    return Response.json(["status": "success", "user": self.object(connection, call)])
  }

  /// `GET /integrations`, which asks for no credentials.
  func integrations() -> Response {
    Response.json([
      "status": "success", "providers": .array(ProviderCatalogue.web.map { .string($0) }),
      "sdk_providers": .array(ProviderCatalogue.mobileOnly.map { .string($0) }),
    ])
  }

  /// `GET /integrations/detailed`, which asks for no credentials.
  func detailedIntegrations(_ request: Request) async -> Response {
    let includesMobile = FormCoding.pairs(request.uri.query ?? "").contains { $0 == ("sdk", "true") }
    let types: JSONValue = [
      "activity": true, "body": true, "nutrition": true, "daily": true, "sleep": true, "menstruation": false,
    ]
    let names = ProviderCatalogue.web + (includesMobile ? ProviderCatalogue.mobileOnly : [])
    let providers = names.map { name -> JSONValue in
      [
        "provider": .string(name), "name": .string(name.capitalized), "icon": .null, "setup": "API_KEYS_MANAGED",
        "enabled": true, "types": types,
      ]
    }
    return Response.json(["status": "success", "providers": .array(providers)])
  }

  func object(_ connection: TerraConnection, _ call: TerraCall) -> JSONValue {
    connection.object(call.family == .legacy ? .legacy : .access)
  }
}
