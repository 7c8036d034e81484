@testable import ConnectionRegistry
import Foundation
import NIOCore
import RegistryModel
import RegistryPostgres
import RegistrySQL
import RegistryTerra
import TestDatabase
import Testing

@Suite(.migratedDatabase) struct AcceptanceTests {
  @Test(arguments: ["auth_success", "auth_cancelled", "deauth", "user_reauth", "utf8"])
  func storesTerrasOwnExamplesByteForByte(_ name: String) async throws {
    try await withStage { stage in
      let body = try Payload.fixture(name)
      let delivery = Delivery(body)
      try await stage.expect(delivery, .accepted)
      let event = try #require(try await stage.registry.events.list(tenant: "acme").items.first)
      #expect(try await stage.registry.events.show(tenant: "acme", event.eventID).body.utf8.elementsEqual(body))
      try await stage.expect(delivery, .duplicate)
      #expect(try await stage.count("auth_event") == 1)
    }
  }

  @Test func aSuccessMakesConnectionAppUserAndChange() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.auth("u1", scopes: "A,B"), .accepted)
      let detail = try await stage.registry.connections.show(tenant: "acme", "u1")
      #expect(detail.connection.status == .active)
      #expect(detail.connection.referenceID == "person-1")
      #expect(detail.connection.resource == "FITBIT")
      #expect(detail.connection.scopes == "A,B")
      #expect(detail.changes.map(\.toStatus) == [.active])
      #expect(detail.changes.first?.causeID == detail.events.first?.eventID.text)
      #expect(try await stage.registry.appUsers.show(tenant: "acme", "person-1").connections.count == 1)
    }
  }

  @Test func theSameSignedTimeIsADuplicate() async throws {
    try await withStage { stage in
      let t = Int64(Date().timeIntervalSince1970)
      try await stage.expect(Delivery(Payload.auth("u1"), t: t, trace: "a"), .accepted)
      try await stage.expect(Delivery(Payload.auth("u1"), t: t, trace: "b"), .duplicate)
      try await stage.expect(Delivery(Payload.auth("u1"), t: t), .duplicate)
    }
  }

  @Test func aRetrySignedAnewUnderItsTraceIsADuplicateAndJoinsWithItsOwnKey() async throws {
    try await withStage { stage in
      let t = Int64(Date().timeIntervalSince1970)
      try await stage.expect(Delivery(Payload.auth("u1"), t: t - 100, trace: "a"), .accepted)
      try await stage.expect(Delivery(Payload.event("connection_error", user: "u1"), t: t - 50), .accepted)
      let status = try await stage.status("u1")
      #expect(status == .degraded)
      try await stage.expect(Delivery(Payload.auth("u1"), t: t, trace: "a"), .duplicate)
      let after = try await stage.status("u1")
      #expect(after == .active)
      #expect(try await stage.count("auth_event") == 2)
    }
  }

  @Test func aTraceAloneSuppressesNothing() async throws {
    try await withStage { stage in
      try await stage.expect(Delivery(Payload.auth("u1"), trace: "a"), .accepted)
      try await stage.expect(Delivery(Payload.deauth("u1"), trace: "a"), .accepted)
      let status = try await stage.status("u1")
      #expect(status == .deauthenticated)
    }
  }

  @Test func theSameContentAtAnotherTimeUnderAnotherTraceIsAnotherEvent() async throws {
    try await withStage { stage in
      try await stage.expect(Delivery(Payload.auth("u1"), at: -9, trace: "a"), .accepted)
      try await stage.expect(Delivery(Payload.auth("u1"), at: 0, trace: "b"), .accepted)
      try await stage.expect(Delivery(Payload.auth("u1"), at: -5), .accepted)
    }
  }

  @Test func deliveriesThatShareAKeyWithADuplicateAreDuplicatesToo() async throws {
    try await withStage { stage in
      let body = Payload.auth("u1")
      let t = Int64(Date().timeIntervalSince1970)
      try await stage.expect(Delivery(body, t: t - 3, trace: "a"), .accepted)
      try await stage.expect(Delivery(body, t: t - 2, trace: "a"), .duplicate)
      try await stage.expect(Delivery(body, t: t - 2, trace: "b"), .duplicate)
      try await stage.expect(Delivery(body, t: t - 1, trace: "b"), .duplicate)
      #expect(try await stage.count("auth_event") == 1)
    }
  }

  @Test func anEventOfOneTenantIsNoDuplicateInAnother() async throws {
    try await withStage(StageSettings(slugs: ["acme", "other"])) { stage in
      let delivery = Delivery(Payload.auth("u1"), trace: "a")
      try await stage.expect(delivery, .accepted)
      try await stage.expect(delivery, .accepted, tenant: "other")
    }
  }

  /// Each order of `auth`, `user_reauth` and a `deauth` of the old id gives the same two connections.
  @Test(arguments: [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
  func aReauthenticationGivesTheSameInEveryOrder(_ order: [Int]) async throws {
    try await withStage { stage in
      let t = Int64(Date().timeIntervalSince1970)
      let deliveries = [
        Delivery(Payload.auth("old"), t: t - 20), Delivery(Payload.auth("new"), t: t - 10),
        Delivery(Payload.reauth(from: "old", to: "new", newReference: nil), t: t - 10),
      ]
      for index in order { try await stage.expect(deliveries[index], .accepted) }
      let old = try await stage.registry.connections.show(tenant: "acme", "old").connection
      let new = try await stage.registry.connections.show(tenant: "acme", "new").connection
      #expect(old.status == .superseded)
      #expect(old.supersededBy == "new")
      #expect(new.status == .active)
      #expect(new.referenceID == "person-1")
    }
  }

  @Test func aLateSuccessDoesNotBringAnEndedIdBack() async throws {
    try await withStage { stage in
      try await stage.expect(Delivery(Payload.deauth("u1"), at: -60), .accepted)
      try await stage.expect(Delivery(Payload.auth("u1"), at: -90), .accepted)
      try await stage.expect(Delivery(Payload.auth("u1"), at: 0), .accepted)
      let status = try await stage.status("u1")
      #expect(status == .deauthenticated)
    }
  }

  @Test func anOldEventIsAcceptedAndAnOlderOneQuarantined() async throws {
    try await withStage { stage in
      try await stage.expect(Delivery(Payload.auth("u1"), at: -47 * 3_600), .accepted)
      try await stage.expect(Delivery(Payload.auth("u2"), at: -49 * 3_600), .quarantined)
      try await stage.expect(Delivery(Payload.auth("u3"), at: 280), .accepted)
      try await stage.expect(Delivery(Payload.auth("u4"), at: 400), .quarantined)
      let receipts = try await stage.registry.receipts.list(tenant: "acme", filter: .init(disposition: .quarantined))
        .items
      #expect(receipts.map(\.reasonCode) == ["past_the_horizon", "in_the_future"])
      #expect(receipts.map(\.userID) == ["u2", "u4"])
      await #expect(throws: RegistryError.self) { try await stage.registry.connections.show(tenant: "acme", "u2") }
    }
  }

  @Test func aQuarantinedEventIsAcceptedWhenItComesSignedAnew() async throws {
    try await withStage { stage in
      let body = Payload.auth("u1")
      try await stage.expect(Delivery(body, at: -49 * 3_600, trace: "a"), .quarantined)
      try await stage.expect(Delivery(body, at: -49 * 3_600 - 5, trace: "a"), .duplicate)
      try await stage.expect(Delivery(body, at: 0, trace: "a"), .accepted)
      try await stage.expect(Delivery(body, at: -50 * 3_600, trace: "a"), .duplicate)
      let receipt = try #require(try await stage.registry.receipts.list(tenant: "acme").items.first)
      #expect(try await stage.registry.events.list(tenant: "acme").items.map(\.eventID) == [receipt.receiptID])
    }
  }

  @Test func theHorizonIsTheTenants() async throws {
    try await withStage(StageSettings(horizon: .seconds(60))) { stage in
      try await stage.expect(Delivery(Payload.auth("u1"), at: -50), .accepted)
      try await stage.expect(Delivery(Payload.auth("u2"), at: -70), .quarantined)
    }
  }

  @Test func anOrderingTimestampThatTheSignatureContradictsCountsForNothing() async throws {
    try await withStage { stage in
      let t = Int64(Date().timeIntervalSince1970)
      try await stage.expect(Delivery(Payload.event("connection_error", user: "u1"), t: t), .accepted)
      var forged = Delivery(Payload.auth("u1"), t: t - 100)
      forged.ordering = (t + 100) * 1_000
      try await stage.expect(forged, .accepted)
      let status = try await stage.status("u1")
      #expect(status == .degraded)
    }
  }

  /// A plan made while the table was small, and without statistics, stays in use while the table grows.
  @Test func keysAreLookedUpOneByOneWhateverThePlannerKnows() async throws {
    try await withStage { stage in
      let statement = RegistryStatements.authEventKeyClaim(.null, .textArray([]), .null, .bytesArray([])).postgres
      let plan = try await stage.owner.withConnection { connection in
        try await connection.execute(
          """
          INSERT INTO registry.auth_event_key (tenant_id, dedup_key, event_id)
          SELECT tenant_id, 'filler-' || i, gen_random_uuid() FROM registry.tenant, generate_series(1, 300) i
          """)
        try await connection.execute("SET plan_cache_mode = force_generic_plan")
        try await connection.execute("PREPARE claim (uuid, text[], uuid, bytea[]) AS \(statement.text)")
        return try await connection.execute(
          "EXPLAIN EXECUTE claim (gen_random_uuid(), '{a,b}', gen_random_uuid(), '{}')")
      }
      let lines = try plan.rows.map { try $0.decode("QUERY PLAN", as: String.self) }
      #expect(lines.contains { $0.contains("Index Cond:") && $0.contains("dedup_key = wanted.dedup_key") }, "\(lines)")
      #expect(!lines.contains { $0.contains("Filter:") && $0.contains("dedup_key") }, "\(lines)")
    }
  }
}
