@testable import ConnectionRegistry
import Foundation
import RegistryModel
import TerraSandbox
import TestDatabase
import Testing

/// Beside a live system: everything is recorded, nothing is begun, ended or redirected.
@Suite(.migratedDatabase) struct ShadowTests {
  private static func shadow(_ stage: Stage, _ isOn: Bool = true) async throws {
    var change = TenantChange()
    change.shadow = isOn
    _ = try await stage.registry.tenants.update("acme", change)
  }

  @Test func nothingIsBegunOrEndedAndEverythingIsRecorded() async throws {
    try await withStage { stage in
      let opened = try await stage.open("FITBIT")
      let user = try #require(opened.session.userID)
      try await Self.shadow(stage)
      let asked = await stage.sandbox.calls(tenant: "acme").count
      await expectError(.shadowMode) { _ = try await stage.open("FITBIT") }
      await expectError(.shadowMode) {
        _ = try await stage.registry.connections.deauthenticate(tenant: "acme", user)
      }
      #expect(await stage.sandbox.calls(tenant: "acme").count == asked)
      try await stage.expect(Payload.auth(user), .accepted)
      #expect(try await stage.status(user) == .active)
      #expect(try await stage.visit(opened.token, "user_id=\(user)") == .shadowed)
      #expect(try await stage.registry.callbacks.list(tenant: "acme").items.map(\.verdict) == [.corroborated])
      _ = try await stage.registry.reconciliations.run(tenant: "acme")
      try await Self.shadow(stage, false)
      #expect(try await stage.open("FITBIT").session.status == .open)
    }
  }

  @Test func theGatewayPassesOnWithoutWrapping() async throws {
    try await withStage { stage in
      try await Self.shadow(stage)
      let key = try await stage.registry.keys.create(tenant: "acme", name: "k", scopes: [.sessionsWrite]).secret
      let admission = try await stage.registry.gateway.admit(
        method: "POST", path: "/v2/auth/authenticateUser", apiKeys: [key], devIDs: ["acme-dev-id"])
      let body = #"{"reference_id":"p","auth_success_redirect_url":"https://live.example/x"}"#
      let answer = try await stage.registry.gateway.answer(
        admission, rawQuery: "resource=FITBIT", contentType: "application/json", accept: nil, body: Array(body.utf8))
      #expect(answer.status == 200)
      #expect(await stage.sandbox.calls(tenant: "acme").last?.body == body)
      let session = try #require(try await stage.registry.sessions.list(tenant: "acme").items.first)
      #expect(session.channel == .gateway && session.returnSuccess == nil && session.referenceID == "p")
      try await stage.letPass(seconds: 100_000)
      #expect(try await stage.registry.reconciliations.run(tenant: "acme").foundNew == 0)
    }
  }

  /// What the API refuses must not be had through the gateway.
  @Test func theGatewayEndsNothing() async throws {
    try await withHTTP { http in
      let stage = http.stage
      let user = try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "p", resource: "FITBIT")
      try await stage.expect(Payload.auth(user, reference: "p"), .accepted)
      try await Self.shadow(stage)
      let key = try await http.key(.connectionsWrite)
      func end() async throws -> HTTPStage.Answer {
        try await http.send(
          "DELETE", "/terra/v2/auth/deauthenticateUser?user_id=\(user)",
          headers: [("x-api-key", key), ("dev-id", "acme-dev-id")])
      }
      let asked = await stage.sandbox.calls(tenant: "acme").count
      let refused = try await end()
      #expect(refused.status == 409 && refused.code == "shadow_mode", "\(refused.text)")
      #expect(refused.text("status") == "error" && refused.text("message")?.contains("--no-shadow") == true)
      #expect(await stage.sandbox.calls(tenant: "acme").count == asked)
      #expect(try await stage.status(user) == .active)
      #expect(try await stage.count("correction") == 0)
      try await Self.shadow(stage, false)
      #expect(try await end().status == 200)
      #expect(try await stage.status(user) == .deauthenticated)
    }
  }

  @Test func theStepsSayWhatIsToBeDone() async throws {
    try await withStage { stage in
      let tenant = try await stage.registry.tenants.show("acme")
      let steps = stage.registry.onboarding(of: tenant)
      let values = steps.compactMap(\.value)
      #expect(values.contains("\(Stage.publicURL)/webhooks/terra/acme"))
      #expect(values.contains("\(Stage.publicURL)/callbacks/terra/acme/"))
      #expect(values.contains("\(Stage.publicURL)/terra/v2"))
      #expect(values.contains { $0.contains("user_reauth") && $0.contains("auth_cancelled") })
      #expect(values.contains("registry connection import --from-terra --tenant acme"))
      try await Self.shadow(stage)
      let mirrored = stage.registry.onboarding(of: try await stage.registry.tenants.show("acme"))
      #expect(mirrored.first?.step == "Mirror Terra's webhooks")
      #expect(!mirrored.contains { $0.value?.contains("/callbacks/") == true })
    }
  }
}
