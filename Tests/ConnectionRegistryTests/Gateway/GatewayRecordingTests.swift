@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryPostgres
import TerraSandbox
import TestDatabase
import Testing

/// What Terra answered is the client's, whatever becomes of recording it.
@Suite(.migratedDatabase) struct GatewayRecordingTests {
  private static let body = #"{"reference_id":"person-1","auth_success_redirect_url":"\#(Stage.returnURL)"}"#

  private static func begin(_ stage: Stage, through executor: InterferingExecutor) async throws -> GatewayAnswer {
    let key = try await stage.registry.keys.create(tenant: "acme", name: "k", scopes: [.sessionsWrite]).secret
    let gateway = stage.gateway(recordingThrough: executor)
    let admission = try await gateway.admit(
      method: "POST", path: "/v2/auth/authenticateUser", apiKeys: [key], devIDs: ["acme-dev-id"])
    return try await gateway.answer(
      admission, rawQuery: "resource=FITBIT", contentType: "application/json", accept: nil, body: Array(body.utf8))
  }

  private static func userID(_ answer: GatewayAnswer) throws -> String {
    let json = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
    return try #require(json?["user_id"] as? String)
  }

  /// The session was committed before; Terra's event says the rest.
  @Test func aSuccessThatCannotBeRecordedIsStillTheClients() async throws {
    try await withStage { stage in
      let failing = stage.interfering(at: "auth_session_answered") {
        throw PostgresError(.connectionFailed, "away")
      }
      let answer = try await Self.begin(stage, through: failing)
      #expect(answer.status == 200)
      let user = try Self.userID(answer)
      let session = try #require(try await stage.registry.sessions.list(tenant: "acme").items.first)
      #expect(session.status == .open && session.userID == nil)
      try await stage.expect(Payload.auth(user), .accepted)
      #expect(try await stage.status(user) == .active)
    }
  }

  @Test func thatTerraIsAwayIsSaidEvenIfItCannotBeRecorded() async throws {
    try await withStage(StageSettings(terraIsReachable: false, terraDeadline: .seconds(2))) { stage in
      let failing = stage.interfering(at: "auth_session_refused") {
        throw PostgresError(.connectionFailed, "away")
      }
      await expectError(.terraUnavailable) { _ = try await Self.begin(stage, through: failing) }
    }
  }

  @Test func anAnswerThatBeginsNothingIsPassedOnAsItIs() async throws {
    try await withStage { stage in
      let failing = stage.interfering(at: "auth_session_refused") {
        throw PostgresError(.connectionFailed, "away")
      }
      let refusal = #"{"status":"error","message":"no such resource"}"#
      try await stage.sandbox.script(tenant: "acme", [ScriptedAnswer(status: 404, body: refusal)])
      let answer = try await Self.begin(stage, through: failing)
      #expect(answer.status == 404 && answer.body == Array(refusal.utf8))
    }
  }

  /// A client that goes, or a service that stops, between Terra's answer and its record.
  @Test func whatTerraGaveOutIsRecordedWhereTheClientHasGone() async throws {
    try await withStage { stage in
      let (answered, tell) = AsyncStream.makeStream(of: Void.self)
      let (gone, go) = AsyncStream.makeStream(of: Void.self)
      let waiting = stage.interfering(at: "auth_session_answered") {
        tell.yield()
        for await _ in gone { break }
      }
      let call = Task { try await Self.begin(stage, through: waiting) }
      for await _ in answered { break }
      call.cancel()
      go.yield()
      let user = try Self.userID(try await call.value)
      let session = try #require(try await stage.registry.sessions.list(tenant: "acme").items.first)
      #expect(session.status == .open && session.userID == user)
      #expect(try await stage.status(user) == .pending)
    }
  }

  /// The same where a connection ends.
  @Test func whatTerraEndedIsRecordedWhereTheClientHasGone() async throws {
    try await withStage { stage in
      let user = try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "p", resource: "FITBIT")
      try await stage.expect(Payload.auth(user, reference: "p"), .accepted)
      let key = try await stage.registry.keys.create(tenant: "acme", name: "k", scopes: [.connectionsWrite]).secret
      let (answered, tell) = AsyncStream.makeStream(of: Void.self)
      let (gone, go) = AsyncStream.makeStream(of: Void.self)
      let gateway = stage.gateway(
        recordingThrough: stage.interfering(at: "correction_insert") {
          tell.yield()
          for await _ in gone { break }
        })
      let call = Task {
        let admission = try await gateway.admit(
          method: "DELETE", path: "/v2/auth/deauthenticateUser", apiKeys: [key], devIDs: ["acme-dev-id"])
        return try await gateway.answer(
          admission, rawQuery: "user_id=\(user)", contentType: nil, accept: nil, body: [])
      }
      for await _ in answered { break }
      call.cancel()
      go.yield()
      #expect(try await call.value.status == 200)
      #expect(try await stage.status(user) == .deauthenticated)
    }
  }
}
