@testable import ConnectionRegistry
import Foundation
import RegistryModel
import TerraSandbox
import TestDatabase
import Testing

/// Ending a connection, over each of Terra's answers.
@Suite(.migratedDatabase) struct DeauthenticationTests {
  private static func connect(_ stage: Stage) async throws -> String {
    let user = try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "p", resource: "FITBIT")
    try await stage.expect(Payload.auth(user, reference: "p"), .accepted)
    return user
  }

  @Test(arguments: SandboxGeneration.allCases)
  func aSuccessIsAnEndingThatNothingLateUndoes(_ generation: SandboxGeneration) async throws {
    try await withStage(StageSettings(generation: generation)) { stage in
      let user = try await Self.connect(stage)
      let ended = try await stage.registry.connections.deauthenticate(tenant: "acme", user, source: "operator")
      #expect(ended.outcome == .deauthenticated)
      #expect(ended.connection.status == .deauthenticated)
      #expect(!ended.connection.needsReauth)
      let detail = try await stage.registry.connections.show(tenant: "acme", user)
      #expect(detail.corrections.map(\.reason) == ["deauthenticated"])
      #expect(detail.corrections.map(\.source) == ["operator"])
      #expect(detail.changes.map(\.toStatus) == [.deauthenticated, .active])
      // What Terra sends of it, and a late event from before, change nothing.
      try await stage.expect(Payload.deauth(user), .accepted)
      try await stage.expect(Delivery(Payload.auth(user, reference: "p"), at: -3_000), .accepted)
      #expect(try await stage.status(user) == .deauthenticated)
      #expect(try await stage.registry.connections.show(tenant: "acme", user).changes.count == 2)
      // Again: Terra does not know it any more, and it stays as it ended.
      let again = try await stage.registry.connections.deauthenticate(tenant: "acme", user)
      #expect(again.outcome == .alreadyGone)
      #expect(again.connection.status == .deauthenticated)
    }
  }

  @Test func whatTerraDoesNotKnowIsGone() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.auth("lost"), .accepted)
      try await stage.letPass(seconds: 60)
      try await stage.sandbox.script(
        tenant: "acme", [ScriptedAnswer(status: 404, body: #"{"status":"error","message":"User not found"}"#)])
      await expectError(.notFound) {
        _ = try await stage.registry.connections.deauthenticate(tenant: "acme", "never-seen")
      }
      #expect(try await stage.count("correction") == 0)
    }
  }

  @Test(arguments: [
    (ScriptedAnswer(status: 500), RegistryError.Code.terraUnavailable, "may have been carried out"),
    (ScriptedAnswer(status: 200, delaySeconds: 4), .terraTimedOut, "may have been carried out"),
    (ScriptedAnswer(status: 401), .terraCredentialsRefused, "dev-id"),
    (ScriptedAnswer(status: 400), .terraRequestRefused, "check the request"),
    (ScriptedAnswer(status: 404, contentType: "text/html", body: "nginx"), .terraAnswerUnusable, "URLs of Terra"),
    (ScriptedAnswer(status: 429, headers: ["Retry-After": "60"]), .terraRateLimited, "later"),
    (ScriptedAnswer(status: 200, body: #"{"status":"error","message":"no"}"#), .terraRefused, "status"),
  ])
  func withoutASuccessNothingEnds(
    _ answer: ScriptedAnswer, _ code: RegistryError.Code, _ words: String
  ) async throws {
    try await withStage(StageSettings(terraDeadline: .seconds(2))) { stage in
      let user = try await Self.connect(stage)
      try await stage.sandbox.script(tenant: "acme", [answer])
      let error = await expectError(code) {
        _ = try await stage.registry.connections.deauthenticate(tenant: "acme", user)
      }
      #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
      #expect(try await stage.status(user) == .active)
      #expect(try await stage.count("correction") == 0)
    }
  }

  @Test func anUnknownIDIsNotFoundAndWritesNothing() async throws {
    try await withStage { stage in
      for user in ["nobody", "", String(repeating: "x", count: 300)] {
        await expectError(.notFound) { _ = try await stage.registry.connections.deauthenticate(tenant: "acme", user) }
      }
      let connections = try await stage.count("connection")
      #expect(connections == 0)
    }
  }
}
