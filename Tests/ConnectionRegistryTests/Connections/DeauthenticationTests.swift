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
    try await withStage(Self.announcing) { stage in
      try await Self.expectGone(stage, source: "operator") { user in
        let ended = try await stage.registry.connections.deauthenticate(tenant: "acme", user, source: "operator")
        #expect(ended.outcome == .alreadyGone)
        #expect(ended.connection.status == .revoked && ended.connection.needsReauth)
      }
    }
  }

  @Test func whatTerraDoesNotKnowIsGoneThroughTheGatewayToo() async throws {
    try await withHTTP(Self.announcing) { http in
      let key = try await http.key(.connectionsWrite)
      try await Self.expectGone(http.stage, source: "gateway") { user in
        let ended = try await http.send(
          "DELETE", "/terra/v2/auth/deauthenticateUser?user_id=\(user)",
          headers: [("x-api-key", key), ("dev-id", "acme-dev-id")])
        #expect(ended.status == 404, "\(ended.text)")
      }
    }
  }

  /// A stage in which deliveries are written and not sent.
  private static var announcing: StageSettings { .delivering(.forTests { $0.areSent = false }) }

  /// A live connection of which Terra knows nothing is ended, and then asked for again.
  private static func expectGone(
    _ stage: Stage, source: String, end: (_ userID: String) async throws -> Void
  ) async throws {
    try await stage.expect(Payload.auth("lost"), .accepted)
    _ = try await stage.registry.endpoints.add(tenant: "acme", NewEndpoint(url: "http://127.0.0.1:9/"))
    try await end("lost")
    for _ in 1...2 {
      let detail = try await stage.registry.connections.show(tenant: "acme", "lost")
      #expect(detail.connection.status == .revoked)
      #expect(Set(detail.corrections.map(\.reason)) == ["unknown_to_terra"])
      #expect(Set(detail.corrections.map(\.source)) == [source])
      #expect(detail.changes.map(\.toStatus) == [.revoked, .active])
      #expect(detail.changes.first?.causeType == "correction")
      let told = try await stage.registry.deliveries.list(tenant: "acme").items
      #expect(told.map(\.type) == ["connection.revoked"] && told.map(\.sequence) == [2])
      // Once more it is as gone as before, and nothing is told.
      try await end("lost")
    }
  }

  @Test func whatNeitherKnowsIsNotFound() async throws {
    try await withStage { stage in
      await expectError(.notFound) {
        _ = try await stage.registry.connections.deauthenticate(tenant: "acme", "never-seen")
      }
      let corrections = try await stage.count("correction")
      #expect(corrections == 0)
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

  /// A client that goes, or a request whose time is over, between Terra's answer and its record.
  @Test(arguments: [true, false])
  func whatTerraEndedIsRecordedWhereTheCallerHasGone(_ isKnownToTerra: Bool) async throws {
    try await withStage { stage in
      let user = isKnownToTerra ? try await Self.connect(stage) : "lost"
      if !isKnownToTerra { try await stage.expect(Payload.auth(user), .accepted) }
      let (answered, tell) = AsyncStream.makeStream(of: Void.self)
      let (gone, go) = AsyncStream.makeStream(of: Void.self)
      let waiting = stage.interfering(at: "correction_insert") {
        tell.yield()
        for await _ in gone { break }
      }
      let connections = stage.connections(through: waiting)
      let call = Task { try await connections.deauthenticate(tenant: "acme", user) }
      for await _ in answered { break }
      #expect(try await stage.status(user) == .active)
      call.cancel()
      go.yield()
      // Whether the caller is still told does not matter.
      _ = await call.result
      let detail = try await stage.registry.connections.show(tenant: "acme", user)
      #expect(detail.connection.status == (isKnownToTerra ? .deauthenticated : .revoked))
      #expect(detail.corrections.map(\.reason) == [isKnownToTerra ? "deauthenticated" : "unknown_to_terra"])
    }
  }
}
