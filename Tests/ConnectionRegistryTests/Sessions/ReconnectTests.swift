@testable import ConnectionRegistry
import Foundation
import RegistryModel
import TestDatabase
import Testing

/// Connecting again: who must, how, and what becomes of the old connection.
@Suite(.migratedDatabase) struct ReconnectTests {
  private static func reconnect(
    _ stage: Stage, _ userID: String, reference: String? = nil, resource: String? = nil
  ) async throws -> AuthSession {
    try await stage.registry.sessions.open(
      tenant: "acme",
      NewAuthSession(
        referenceID: reference, resource: resource, success: Stage.returnURL, failure: Stage.failureURL,
        replaces: userID))
  }

  private static func connection(_ stage: Stage, _ userID: String) async throws -> Connection {
    try await stage.registry.connections.show(tenant: "acme", userID).connection
  }

  @Test func aConnectionSaysWhetherAndHowItMustBeConnectedAgain() async throws {
    try await withStage { stage in
      for (user, resource) in [("u1", "FITBIT"), ("u2", "APPLE"), ("u3", "OURA")] {
        try await stage.expect(Payload.auth(user, resource: resource), .accepted)
        let live = try await Self.connection(stage, user)
        #expect(!live.needsReauth && live.reconnect == nil)
      }
      try await stage.expect(Payload.event("connection_error", user: "u1"), .accepted)
      try await stage.expect(Payload.event("access_revoked", user: "u2", resource: "APPLE"), .accepted)
      try await stage.expect(Payload.deauth("u3"), .accepted)
      let degraded = try await Self.connection(stage, "u1")
      #expect(degraded.status == .degraded && degraded.needsReauth)
      #expect(degraded.reconnect?.kind == .direct && degraded.reconnect?.replaces == "u1")
      let revoked = try await Self.connection(stage, "u2")
      #expect(revoked.status == .revoked && revoked.reconnect?.kind == .mobile)
      let ended = try await Self.connection(stage, "u3")
      #expect(!ended.needsReauth && ended.reconnect == nil)
    }
  }

  @Test func theSessionIsForTheOldConnectionsPersonAndResource() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.auth("u1", reference: "zoë"), .accepted)
      try await stage.expect(Payload.event("access_revoked", user: "u1"), .accepted)
      let session = try await Self.reconnect(stage, "u1")
      #expect(session.kind == .direct)
      #expect(session.referenceID == "zoë")
      #expect(session.resource == "FITBIT")
      #expect(session.replaces == "u1")
      for (field, reference, resource) in [("reference_id", "other", nil), ("resource", nil, "OURA")]
        as [(String, String?, String?)]
      {
        let error = await expectError(.replacesConflict) {
          _ = try await Self.reconnect(stage, "u1", reference: reference, resource: resource)
        }
        #expect(error?.field == field)
      }
      #expect(try await Self.reconnect(stage, "u1", reference: "zoë", resource: "fitbit").replaces == "u1")
      await expectError(.notFound) { _ = try await Self.reconnect(stage, "nobody") }
      let phone = try await stage.registry.sessions.open(
        tenant: "acme", NewAuthSession(kind: .mobile, replaces: "u1"))
      #expect(phone.token != nil && phone.referenceID == "zoë")
    }
  }

  /// Terra reports the new id by `user_reauth`: the old one is superseded by it.
  @Test func theNewConnectionSupersedesTheOldOneOnceTerraSaysSo() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.auth("u1"), .accepted)
      try await stage.expect(Payload.event("connection_error", user: "u1"), .accepted)
      let new = try #require(try await Self.reconnect(stage, "u1").userID)
      try await stage.expect(Payload.reauth(from: "u1", to: new), .accepted)
      let old = try await Self.connection(stage, "u1")
      #expect(old.status == .superseded && old.supersededBy == new && !old.needsReauth)
      #expect(try await stage.status(new) == .active)
    }
  }

  /// Terra gives a new id by a plain `auth`: another account, or after a deauthentication. The old one stays what it was.
  @Test func withoutAReauthTheOldConnectionStays() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.auth("u1"), .accepted)
      try await stage.expect(Payload.event("connection_error", user: "u1"), .accepted)
      let new = try #require(try await Self.reconnect(stage, "u1").userID)
      try await stage.expect(Payload.auth(new), .accepted)
      #expect(try await stage.status("u1") == .degraded)
      #expect(try await stage.status(new) == .active)
      try await stage.letPass(seconds: 100_000)
      _ = try await stage.registry.reconciliations.run(tenant: "acme")
      let kinds = try await stage.registry.findings.list(tenant: "acme").items.map(\.kind)
      #expect(kinds.contains(.duplicateActive))
    }
  }
}
