@testable import ConnectionRegistry
import Foundation
import RegistryModel
import TerraSandbox
import TestDatabase
import Testing

/// Sessions of apps on phones: a token, no browser, and nobody who is waited for.
@Suite(.migratedDatabase) struct MobileSessionTests {
  private static func open(
    _ stage: Stage, _ new: NewAuthSession = NewAuthSession(kind: .mobile, referenceID: "p"), key: String? = nil
  ) async throws -> AuthSession {
    try await stage.registry.sessions.open(tenant: "acme", new, idempotencyKey: key)
  }

  @Test(arguments: SandboxGeneration.allCases)
  func aTokenIsGivenOutOnceAndNotStored(_ generation: SandboxGeneration) async throws {
    try await withStage(StageSettings(generation: generation)) { stage in
      let session = try await Self.open(stage)
      #expect(session.kind == .mobile)
      #expect(session.token?.count == 64)
      #expect(session.authURL == nil && session.returnSuccess == nil && session.returnFailure == nil)
      #expect(abs(session.expiresAt.timeIntervalSince(session.createdAt) - 180) < 30)
      #expect(try await stage.registry.sessions.show(tenant: "acme", session.sessionID).token == nil)
      #expect(try await stage.texts("SELECT sealed_token::text FROM registry.auth_session") == ["null"])
    }
  }

  private static func onNewerGeneration(_ stage: Stage) async throws {
    var change = TenantChange()
    change.terraBaseURL = stage.terra + "/api/v2"
    _ = try await stage.registry.tenants.update("acme", change)
  }

  /// Whoever gets hold of a token cannot connect somebody else with it.
  @Test func aTokenConnectsNobodyButItsAppUser() async throws {
    try await withStage { stage in
      try await Self.onNewerGeneration(stage)
      let token = try #require(try await Self.open(stage).token)
      await #expect(throws: SandboxRefusal.foreignPhoneToken) {
        try await stage.sandbox.connectOnPhone(tenant: "acme", token: token, referenceID: "q", resource: "APPLE")
      }
      try await stage.sandbox.connectOnPhone(tenant: "acme", token: token, referenceID: "p", resource: "APPLE")
      await #expect(throws: SandboxRefusal.unknownPhoneToken) {
        try await stage.sandbox.connectOnPhone(tenant: "acme", token: token, referenceID: "p", resource: "APPLE")
      }
      #expect(await stage.sandbox.calls(tenant: "acme").map(\.path) == ["/api/v2/auth/tokens"])
    }
  }

  /// The older generation has no tokens that are bound, and one of nobody binds nobody.
  @Test func aTokenThatCannotBeBoundIsGivenOutAllTheSame() async throws {
    try await withStage { stage in
      let older = try #require(try await Self.open(stage).token)
      try await stage.sandbox.connectOnPhone(tenant: "acme", token: older, referenceID: "q", resource: "APPLE")
      try await Self.onNewerGeneration(stage)
      let nobodys = try #require(try await Self.open(stage, NewAuthSession(kind: .mobile)).token)
      try await stage.sandbox.connectOnPhone(tenant: "acme", token: nobodys, referenceID: "q", resource: "SAMSUNG")
    }
  }

  @Test func theSameKeyGivesTheSameToken() async throws {
    try await withStage { stage in
      let first = try await Self.open(stage, key: "k")
      let second = try await Self.open(stage, key: "k")
      #expect(first == second)
      #expect(await stage.sandbox.calls(tenant: "acme").count == 1)
      await expectError(.idempotencyConflict) {
        _ = try await Self.open(stage, NewAuthSession(kind: .mobile, referenceID: "q"), key: "k")
      }
    }
  }

  @Test func nobodyIsWaitedFor() async throws {
    try await withStage { stage in
      let session = try await Self.open(stage)
      try await stage.letPass(seconds: 100_000)
      let run = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(run.foundNew == 0)
      #expect(try await stage.registry.sessions.show(tenant: "acme", session.sessionID).status == .expired)
    }
  }

  @Test(arguments: [
    ("success", NewAuthSession(kind: .mobile, success: Stage.returnURL)),
    ("failure", NewAuthSession(kind: .mobile, failure: Stage.returnURL)),
    ("language", NewAuthSession(kind: .mobile, language: "en")),
    ("providers", NewAuthSession(kind: .mobile, providers: ["OURA"])),
    ("multi_auth", NewAuthSession(kind: .mobile, multiAuth: true)),
    ("resource", NewAuthSession(kind: .direct, success: Stage.returnURL, failure: Stage.failureURL)),
    (
      "resource",
      NewAuthSession(kind: .widget, resource: "OURA", success: Stage.returnURL, failure: Stage.failureURL)
    ),
    ("success", NewAuthSession(resource: "OURA", failure: Stage.failureURL)),
    ("failure", NewAuthSession(success: Stage.returnURL)),
  ])
  func whatDoesNotGoTogetherIsNamed(_ field: String, _ new: NewAuthSession) async throws {
    try await withStage { stage in
      let error = await expectError(.invalidRequest) { _ = try await Self.open(stage, new) }
      #expect(error?.field == field)
      let sessions = try await stage.count("auth_session")
      #expect(sessions == 0)
    }
  }
}
