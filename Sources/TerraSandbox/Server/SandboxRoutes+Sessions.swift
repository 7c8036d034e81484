import Foundation
import HTTPTypes
import Hummingbird

extension SandboxRoutes {
  /// What a client may say when it begins an attempt. Unknown members are passed over, as Terra does.
  struct SessionBody: Decodable, Sendable {
    var providers: String?
    var resource: String?
    var reference_id: String?
    var auth_success_redirect_url: String?
    var auth_failure_redirect_url: String?
    var multi_auth: Bool?
    var connected_uids: [String]?
  }

  /// How long an `auth_url` and a legacy widget session live, in seconds.
  static let legacyLifetime = 900
  /// How long a widget session of the newer generation lives, in seconds.
  static let accessLifetime = 86_400

  /// `POST /v2/auth/generateWidgetSession`.
  func generateWidgetSession(_ call: TerraCall) async throws -> Response {
    try self.checkSwitches(call)
    if call.environment.retiresLegacyWidget {
      let message = "This endpoint is retired. Use POST https://access.tryterra.co/api/widget/session"
      throw call.problem(.gone, message)
    }
    let attempt = try await self.openWidget(call, lifetime: Self.legacyLifetime).0
    return Response.json(await self.widgetReply(attempt, lifetime: Self.legacyLifetime, warnings: nil))
  }

  /// `POST /api/widget/session`.
  func createWidgetSession(_ call: TerraCall) async throws -> Response {
    try self.checkSwitches(call)
    let (attempt, warnings) = try await self.openWidget(call, lifetime: Self.accessLifetime)
    return Response.json(
      await self.widgetReply(attempt, lifetime: Self.accessLifetime, warnings: warnings), status: .created)
  }

  /// `POST /v2/auth/authenticateUser`: `resource` stands in the query or in the body, or everything in the query.
  func authenticateUser(_ call: TerraCall) async throws -> Response {
    try self.checkSwitches(call)
    let body = try call.decode(SessionBody.self)
    guard let resource = Self.text(call.parameter("resource") ?? body.resource) else {
      throw call.problem(.badRequest, "resource is missing")
    }
    let attempt = try await self.open(
      call,
      Attempt.Request(
        kind: .direct, referenceID: Self.text(body.reference_id ?? call.parameter("reference_id")),
        resource: resource.uppercased(),
        successURL: Self.text(body.auth_success_redirect_url ?? call.parameter("auth_success_redirect_url")),
        failureURL: Self.text(body.auth_failure_redirect_url ?? call.parameter("auth_failure_redirect_url")),
        lifetime: Double(Self.legacyLifetime)))
    return Response.json([
      "status": "success", "user_id": .text(attempt.preissuedUserID),
      "auth_url": .string(await self.sandbox.loginURL(attempt)),
    ])
  }

  /// `POST /auth/generateAuthToken` and `POST /auth/tokens`: a token for a phone, bound to the `reference_id` of the query.
  func generateAuthToken(_ call: TerraCall) async throws -> Response {
    let token = hexadecimal((0..<32).map { _ in UInt8.random(in: .min ... .max) })
    await self.world.keep(
      phoneToken: token, tenant: call.environment.slug, referenceID: Self.text(call.parameter("reference_id")))
    return Response.json(["status": "success", "token": .string(token), "expires_in": 180])
  }

  // MARK: Parts

  private func openWidget(_ call: TerraCall, lifetime: Int) async throws -> (Attempt, [String]) {
    let body = try call.decode(SessionBody.self)
    try await self.checkConnected(body.connected_uids ?? [], call: call)
    let named = (body.providers ?? "").split(separator: ",").map {
      $0.trimmingCharacters(in: .whitespaces).uppercased()
    }
    let known = ProviderCatalogue.web + ProviderCatalogue.mobileOnly
    let providers = named.contains("ALL") ? [] : named.filter { known.contains($0) }
    let unknown = named.filter { $0 != "ALL" && !known.contains($0) }
    // A magic value of the legacy widget: it stands for the flag, not for a URL.
    let isMagic = body.auth_success_redirect_url == "multi-auth"
    let attempt = try await self.open(
      call,
      Attempt.Request(
        kind: .widget, referenceID: Self.text(body.reference_id), providers: providers,
        successURL: isMagic ? nil : Self.text(body.auth_success_redirect_url),
        failureURL: Self.text(body.auth_failure_redirect_url),
        isMultiAuth: isMagic || body.multi_auth == true, lifetime: Double(lifetime)))
    return (attempt, unknown.map { "Provider \($0) is unknown or not enabled" })
  }

  private func open(_ call: TerraCall, _ request: Attempt.Request) async throws -> Attempt {
    do {
      return try await self.sandbox.open(request, tenant: call.environment.slug)
    } catch let refusal as SandboxRefusal {
      throw call.problem(refusal)
    }
  }

  private func widgetReply(_ attempt: Attempt, lifetime: Int, warnings: [String]?) async -> JSONValue {
    var members: [JSONValue.Member] = [
      .init("status", "success"), .init("session_id", .text(attempt.terraSessionID)),
      .init("url", .string(await self.sandbox.loginURL(attempt))), .init("expires_in", .count(lifetime)),
    ]
    if let warnings { members.append(.init("warnings", .array(warnings.map { .string($0) }))) }
    return .object(members)
  }

  private func checkSwitches(_ call: TerraCall) throws {
    guard call.environment.answersServerError else { return }
    throw TerraProblem(status: .internalServerError, message: "Internal Server Error", style: .html)
  }

  private func checkConnected(_ userIDs: [String], call: TerraCall) async throws {
    var invalid: [JSONValue] = []
    for userID in userIDs
    where await self.world.connection(tenant: call.environment.slug, userID: userID)?.isAuthenticated != true {
      invalid.append(.string(userID))
    }
    guard invalid.isEmpty else {
      var problem = TerraProblem(status: .badRequest, message: "connected_uids are unknown", style: .legacy)
      problem.members = [.init("invalid_user_ids", .array(invalid))]
      throw problem
    }
  }

  /// A text that says something; nil for an empty one.
  static func text(_ value: String?) -> String? {
    value.flatMap { $0.isEmpty ? nil : $0 }
  }
}
