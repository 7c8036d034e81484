@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import RegistryTerra
import TerraSandbox
import TestDatabase
import Testing

@Suite(.migratedDatabase) struct SessionTests {
  @Test(arguments: [(SandboxGeneration.legacy, true), (.access, false), (.access, true), (.legacy, false)])
  func bothKindsOpenAtBothGenerations(_ generation: SandboxGeneration, _ legacyWidget: Bool) async throws {
    try await withStage(StageSettings(generation: generation, legacyWidget: legacyWidget)) { stage in
      let direct = try await stage.open("fitbit").session
      #expect(direct.kind == .direct)
      #expect(direct.resource == "FITBIT")
      #expect(direct.userID != nil)
      #expect(direct.status == .open)
      let widget = try await stage.open(reference: nil).session
      #expect(widget.kind == .widget)
      #expect(widget.terraSessionID != nil)
      #expect(widget.userID == nil)
      #expect(widget.referenceID == nil)
      let life = widget.expiresAt.timeIntervalSince(widget.createdAt)
      #expect(abs(life - (legacyWidget ? 900 : 86_400)) < 60)
      for session in [direct, widget] {
        #expect(session.authURL?.hasPrefix(stage.terra) == true)
        #expect(session.refusedReason == nil)
      }
    }
  }

  @Test func theRedirectURLsPointAtTheRegistryAndOnlyTheTokensHashIsKept() async throws {
    try await withStage { stage in
      let opened = try await stage.open("FITBIT")
      #expect(opened.token.count == 22)
      let hashes = try await stage.texts("SELECT encode(attempt_sha256, 'hex') FROM registry.auth_session")
      #expect(hashes == [Fingerprint.hex(Fingerprint.sha256(opened.token.utf8))])
      let sealed = try await stage.texts("SELECT sealed_attempt::text FROM registry.auth_session")
      #expect(sealed == ["null"])
      for case .attempt(let attempt) in await stage.sandbox.ledger.records() {
        #expect(attempt.successURL == "\(Stage.publicURL)/callbacks/terra/acme/\(opened.token)/success")
        #expect(attempt.failureURL == "\(Stage.publicURL)/callbacks/terra/acme/\(opened.token)/failure")
      }
    }
  }

  @Test func theTenantsExpiryComesBeforeTerras() async throws {
    try await withStage(StageSettings(sessionExpiry: .seconds(10))) { stage in
      let session = try await stage.open().session
      #expect(abs(session.expiresAt.timeIntervalSince(session.createdAt) - 10) < 5)
      try await stage.letPass(seconds: 30)
      let status = try await stage.registry.sessions.show(tenant: "acme", session.sessionID).status
      #expect(status == .expired)
    }
  }

  @Test func aPreissuedIDIsPendingAndLeftOutOfLists() async throws {
    try await withStage { stage in
      let opened = try await stage.open("FITBIT")
      let user = try #require(opened.session.userID)
      let detail = try await stage.registry.connections.show(tenant: "acme", user)
      #expect(detail.connection.status == .pending)
      #expect(detail.connection.referenceID == "person-1")
      #expect(detail.connection.resource == "FITBIT")
      #expect(detail.changes.map(\.causeType) == ["session"])
      #expect(detail.sessions.map(\.sessionID) == [opened.id])
      let listed = try await stage.registry.connections.list(tenant: "acme").items
      #expect(listed.isEmpty)
      let pending = try await stage.registry.connections.list(
        tenant: "acme", filter: ConnectionFilter(statuses: [.pending])
      ).items
      #expect(pending.map(\.userID) == [user])
    }
  }

  @Test func theSessionsReferenceServesOnlyWhileNoEventNamesOne() async throws {
    try await withStage { stage in
      let opened = try await stage.open()
      let widget = opened.session.terraSessionID
      try await stage.expect(Payload.auth("u1", reference: nil, widgetSession: widget), .accepted)
      let before = try await stage.registry.connections.show(tenant: "acme", "u1").connection.referenceID
      #expect(before == "person-1")
      try await stage.expect(Delivery(Payload.auth("u1", reference: "person-2"), at: -3_000), .accepted)
      let after = try await stage.registry.connections.show(tenant: "acme", "u1").connection.referenceID
      #expect(after == "person-2")
      try await stage.expect(Payload.auth("u1", reference: nil, resource: "OURA", widgetSession: widget), .accepted)
      let last = try await stage.registry.connections.show(tenant: "acme", "u1").connection.referenceID
      #expect(last == "person-2")
    }
  }

  @Test func theSameKeyWithTheSameRequestGivesTheSameSession() async throws {
    try await withStage { stage in
      let first = try await stage.open("FITBIT", key: "k1").session
      let second = try await stage.open("FITBIT", key: "k1").session
      #expect(first == second)
      let third = try await stage.open("FITBIT", key: "k2").session
      #expect(third.sessionID != first.sessionID)
      #expect(await stage.sandbox.ledger.records().count == 2)
      await expectError(.idempotencyConflict) { _ = try await stage.open("OURA", key: "k1") }
    }
  }

  @Test func manyAtOnceWithOneKeyGiveOneSession() async throws {
    try await withStage { stage in
      let sessions = try await withThrowingTaskGroup(of: AuthSession?.self) { group in
        for _ in 1...8 {
          group.addTask {
            do {
              return try await stage.registry.sessions.open(
                tenant: "acme",
                NewAuthSession(
                  referenceID: "person-1", resource: "FITBIT", success: Stage.returnURL, failure: Stage.failureURL),
                idempotencyKey: "k")
            } catch RegistryError.Code.idempotencyInProgress {
              return nil
            }
          }
        }
        return try await group.reduce(into: [AuthSession]()) { $0 += $1.map { [$0] } ?? [] }
      }
      #expect(Set(sessions.map(\.sessionID)).count == 1)
      #expect(Set(sessions.map(\.authURL)).count == 1)
      #expect(await stage.sandbox.ledger.records().count == 1)
    }
  }

  @Test func whatTerraRefusesIsFailedAndStaysSo() async throws {
    try await withStage(StageSettings(apiKey: "wrong")) { stage in
      for _ in 1...2 {
        await expectError(.terraCredentialsRefused) { _ = try await stage.open("FITBIT", key: "k") }
      }
      try await Self.expectOneRefusedSessionWithoutFinding(stage)
    }
  }

  @Test func whatTerraFailsAtIsFailedWithoutFinding() async throws {
    try await withStage(StageSettings(answersServerError: true)) { stage in
      for _ in 1...2 {
        await expectError(.terraUnavailable) { _ = try await stage.open("FITBIT", key: "k") }
      }
      try await Self.expectOneRefusedSessionWithoutFinding(stage)
    }
  }

  /// A retry after an outage uses the same token; one after a refusal gets the same refusal.
  @Test(arguments: [("http://127.0.0.1:1/v2", true), ("/nowhere", false)])
  func aRetryAsksTerraAgainOnlyWhereTerraFailed(_ address: String, _ mayRepeat: Bool) async throws {
    try await withStage { stage in
      func pointTerra(to url: String) async throws {
        try await stage.owner.execute("UPDATE registry.tenant SET terra_base_url = $1", [.text(url)])
        stage.registry.tenants.directory.forget("acme")
      }
      try await pointTerra(to: address.hasPrefix("/") ? stage.terra + address : address)
      let first = await #expect(throws: RegistryError.self) { try await stage.open("FITBIT", key: "k") }
      let tokens = try await stage.texts("SELECT encode(attempt_sha256, 'hex') FROM registry.auth_session")
      try await pointTerra(to: stage.terra + "/v2")
      if mayRepeat {
        #expect(first?.code == .terraUnavailable)
        let opened = try await stage.open("FITBIT", key: "k")
        #expect(opened.session.status == .open)
        #expect(opened.session.refusedReason == nil)
        #expect([Fingerprint.hex(Fingerprint.sha256(opened.token.utf8))] == tokens)
      } else {
        #expect(first?.code == .terraAnswerUnusable)
        let second = await #expect(throws: RegistryError.self) { try await stage.open("FITBIT", key: "k") }
        #expect(second == first)
        try await Self.expectOneRefusedSessionWithoutFinding(stage)
      }
    }
  }

  private static func expectOneRefusedSessionWithoutFinding(_ stage: Stage) async throws {
    let sessions = try await stage.registry.sessions.list(tenant: "acme").items
    #expect(sessions.map(\.status) == [.failed])
    #expect(sessions.first?.refusedReason != nil)
    try await stage.letPass(seconds: 100_000)
    let run = try await stage.registry.reconciliations.run(tenant: "acme")
    #expect(run.foundNew == 0)
  }

  @Test(arguments: [
    ("reference_id", NewAuthSession(referenceID: "", success: Stage.returnURL, failure: Stage.failureURL)),
    (
      "reference_id",
      NewAuthSession(
        referenceID: String(repeating: "r", count: 1_025), success: Stage.returnURL, failure: Stage.failureURL)
    ),
    ("reference_id", NewAuthSession(referenceID: "a\u{0}b", success: Stage.returnURL, failure: Stage.failureURL)),
    ("resource", NewAuthSession(referenceID: "r", resource: "", success: Stage.returnURL, failure: Stage.failureURL)),
    (
      "multi_auth",
      NewAuthSession(
        referenceID: "r", resource: "OURA", success: Stage.returnURL, failure: Stage.failureURL, multiAuth: true)
    ),
    (
      "providers",
      NewAuthSession(
        referenceID: "r", success: Stage.returnURL, failure: Stage.failureURL, providers: ["A,B"])
    ),
    (
      "language", NewAuthSession(referenceID: "r", success: Stage.returnURL, failure: Stage.failureURL, language: "a b")
    ),
  ])
  func aFieldThatCannotBeTakenIsNamed(_ field: String, _ new: NewAuthSession) async throws {
    try await withStage { stage in
      let error = await #expect(throws: RegistryError.self) {
        try await stage.registry.sessions.open(tenant: "acme", new)
      }
      #expect(error?.field == field)
      #expect(error?.code == .invalidRequest)
      let sessions = try await stage.count("auth_session")
      #expect(sessions == 0)
    }
  }

  @Test func aURLThatIsNotAllowedOpensNothing() async throws {
    try await withStage { stage in
      for url in ["http://app.example/devices", "javascript:alert(1)", "https://evil.example/devices"] {
        await expectError(.returnURLNotAllowed) { _ = try await stage.open(success: url) }
        await expectError(.returnURLNotAllowed) { _ = try await stage.open(failure: url) }
      }
      let sessions = try await stage.count("auth_session")
      #expect(sessions == 0)
    }
  }

  @Test func aFailureThatNamesOnlyThePersonFailsTheOneSessionItCanMean() async throws {
    try await withStage { stage in
      let one = try await stage.open("FITBIT")
      try await stage.expect(Payload.cancelled(reference: "person-1"), .accepted)
      let alone = try await stage.registry.sessions.show(tenant: "acme", one.id).status
      #expect(alone == .failed)
      let two = try await stage.open("OURA")
      let ambiguous = try await stage.registry.sessions.list(tenant: "acme").items.map(\.status)
      #expect(ambiguous.contains(.open))
      // A success takes one of the two away, and the failure means the other again.
      try await stage.expect(Payload.auth(two.session.userID ?? ""), .accepted)
      let statuses = try await stage.registry.sessions.list(tenant: "acme").items.map(\.status)
      #expect(statuses == [.failed, .completed])
    }
  }

  @Test func aFailureThatNamesItsSessionFailsIt() async throws {
    try await withStage { stage in
      let direct = try await stage.open("FITBIT")
      let widget = try await stage.open()
      try await stage.expect(
        Payload.event("auth", status: "error", user: direct.session.userID ?? ""), .accepted)
      try await stage.expect(
        Payload.event("auth", status: "error", user: "x", widgetSession: widget.session.terraSessionID), .accepted)
      let statuses = try await stage.registry.sessions.list(tenant: "acme").items.map(\.status)
      #expect(statuses == [.failed, .failed])
      let pending = try await stage.status(direct.session.userID ?? "")
      #expect(pending == .failed)
      try await stage.expect(Payload.auth("x", widgetSession: widget.session.terraSessionID), .accepted)
      let completed = try await stage.registry.sessions.show(tenant: "acme", widget.id).status
      #expect(completed == .completed)
    }
  }
}
