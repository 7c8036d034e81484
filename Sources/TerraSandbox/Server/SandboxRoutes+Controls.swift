import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

extension SandboxRoutes {
  /// What can be changed about an environment while the sandbox runs. What is absent stays as it is.
  private struct EnvironmentChange: Decodable, Sendable {
    var dev_id: String?
    var api_key: String?
    var webhook_url: String?
    var signing_secret: String?
    var generation: SandboxGeneration?
    var user_cap: Int?
    var user_list_shape: UserListShape?
    var retires_legacy_widget: Bool?
    var answers_server_error: Bool?
    var signs_with_wrong_secret: Bool?
    var listing_fault: ListingFault?
    var user_info_fault: UserInfoFault?
    var listing_page_size: Int?

    func apply(to environment: inout SandboxEnvironment) {
      environment.devID = self.dev_id ?? environment.devID
      environment.apiKey = self.api_key ?? environment.apiKey
      environment.webhookURL = self.webhook_url ?? environment.webhookURL
      environment.signingSecret = self.signing_secret ?? environment.signingSecret
      environment.generation = self.generation ?? environment.generation
      environment.userCap = self.user_cap ?? environment.userCap
      environment.userListShape = self.user_list_shape ?? environment.userListShape
      environment.retiresLegacyWidget = self.retires_legacy_widget ?? environment.retiresLegacyWidget
      environment.answersServerError = self.answers_server_error ?? environment.answersServerError
      environment.signsWithWrongSecret = self.signs_with_wrong_secret ?? environment.signsWithWrongSecret
      environment.listingFault = self.listing_fault ?? environment.listingFault
      environment.userInfoFault = self.user_info_fault ?? environment.userInfoFault
      environment.listingPageSize = self.listing_page_size.map { max(1, $0) } ?? environment.listingPageSize
    }
  }

  private struct NewConnection: Decodable, Sendable {
    var reference_id: String?
    var resource: String
    var account: String?
  }

  private struct Act: Decodable, Sendable {
    var act: String
    var type: String?
    var size: Int?
    var names_last: Bool?
    var scopes_added: [String]?
    var scopes_removed: [String]?
  }

  /// Adds what Terra does not have: the sandbox's own controls, for tests in other languages and for people.
  ///
  /// They ask for no credentials. The sandbox is for loopback and private networks.
  func addControls(to group: RouterGroup<BasicRequestContext>) {
    group.get("environments") { _, _ in
      Response.json(.array(await self.world.environments.map(Self.summary)))
    }
    group.put("environments/:slug") { request, context in
      try await self.putEnvironment(request, slug: context.parameters.require("slug"))
    }
    group.post("environments/:slug/connections") { request, context in
      try await self.connect(request, slug: context.parameters.require("slug"))
    }
    group.post("environments/:slug/connections/:user_id") { request, context in
      try await self.act(
        request, slug: context.parameters.require("slug"), userID: context.parameters.require("user_id"))
    }
    group.put("environments/:slug/answers") { request, context in
      let slug = try context.parameters.require("slug")
      let answers = try await Self.decode([ScriptedAnswer].self, from: request)
      return try await self.refusing {
        try await self.sandbox.script(tenant: slug, answers)
        return Response(status: .noContent)
      }
    }
    group.get("environments/:slug/calls") { _, context in
      Response.json(.array(await self.sandbox.calls(tenant: try context.parameters.require("slug")).map(\.object)))
    }
    group.get("pending") { _, _ in Response.json(["pending": .count(self.sandbox.pendingWork)]) }
    group.get("ledger") { _, _ in
      Response(
        status: .ok, headers: [.contentType: "application/x-ndjson"],
        body: .init(byteBuffer: ByteBuffer(string: await self.sandbox.ledger.ndjson())))
    }
  }

  /// `PUT /sandbox/environments/{slug}` makes or changes an environment.
  private func putEnvironment(_ request: Request, slug: String) async throws -> Response {
    let change = try await Self.decode(EnvironmentChange.self, from: request)
    var environment = await self.world.environment(slug: slug) ?? SandboxEnvironment(slug: slug)
    change.apply(to: &environment)
    do {
      try await self.sandbox.put(environment)
    } catch let error as SandboxConfigurationError {
      throw TerraProblem(status: .conflict, message: error.description, style: .legacy)
    }
    return Response.json(Self.summary(environment))
  }

  /// `POST /sandbox/environments/{slug}/connections` connects an account as an app on a phone does.
  private func connect(_ request: Request, slug: String) async throws -> Response {
    let wanted = try await Self.decode(NewConnection.self, from: request)
    return try await self.refusing {
      let userID = try await self.sandbox.connectOutsideSession(
        tenant: slug, referenceID: wanted.reference_id, resource: wanted.resource.uppercased(),
        account: wanted.account)
      return Response.json(["user_id": .string(userID)], status: .created)
    }
  }

  /// `POST /sandbox/environments/{slug}/connections/{user_id}` lets something happen to a connection.
  private func act(_ request: Request, slug: String, userID: String) async throws -> Response {
    let act = try await Self.decode(Act.self, from: request)
    return try await self.refusing {
      switch act.act {
      case "revoke": try await self.sandbox.revokeAtProvider(tenant: slug, userID: userID)
      case "deauthenticate": try await self.sandbox.deauthenticate(tenant: slug, userID: userID)
      case "reject_token": try await self.sandbox.rejectToken(tenant: slug, userID: userID)
      case "change_permissions":
        try await self.sandbox.changePermissions(
          tenant: slug, userID: userID, added: act.scopes_added ?? [], removed: act.scopes_removed ?? [])
      case "send_data":
        try await self.sandbox.sendData(
          tenant: slug, userID: userID, type: act.type ?? "daily", size: min(act.size ?? 1_000, 64 << 20),
          namesLast: act.names_last ?? false)
      default:
        let known = "revoke, deauthenticate, reject_token, change_permissions or send_data"
        throw TerraProblem(status: .badRequest, message: "act must be \(known)", style: .legacy)
      }
      return Response(status: .accepted)
    }
  }

  private func refusing(_ work: () async throws -> Response) async throws -> Response {
    do {
      return try await work()
    } catch let refusal as SandboxRefusal {
      throw TerraProblem(status: .notFound, message: refusal.description, style: .legacy)
    }
  }

  private static func decode<Value: Decodable>(_ type: Value.Type, from request: Request) async throws -> Value {
    let body = try await request.body.collect(upTo: 65_536)
    do {
      return try JSONDecoder().decode(type, from: Data(body.readableBytesView))
    } catch {
      throw TerraProblem(status: .badRequest, message: "The request body is malformed", style: .legacy)
    }
  }

  /// An environment without its secrets.
  private static func summary(_ environment: SandboxEnvironment) -> JSONValue {
    [
      "slug": .string(environment.slug), "dev_id": .string(environment.devID),
      "generation": .string(environment.generation.rawValue), "webhook_url": .text(environment.webhookURL),
      "user_cap": .count(environment.userCap), "user_list_shape": .string(environment.userListShape.rawValue),
    ]
  }
}
