@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import RegistryTerra
import TestDatabase
import Testing

@Suite(.migratedDatabase) struct DataWebhookTests {
  @Test func dataIsNotStoredAndSetsTheTimeToTheMinute() async throws {
    try await withStage { stage in
      let minute = Int64(Date().timeIntervalSince1970) / 60 * 60
      try await stage.expect(Payload.auth("u1"), .accepted)
      try await stage.expect(Delivery(Payload.data("u1"), t: minute - 60 + 5), .data)
      try await stage.expect(Delivery(Payload.data("u1", type: "sleep"), t: minute - 60 + 40), .data)
      let connection = try await stage.registry.connections.show(tenant: "acme", "u1").connection
      #expect(connection.lastDataAt == Date(timeIntervalSince1970: Double(minute - 60)))
      try await stage.expect(Delivery(Payload.data("u1"), t: minute - 300), .data)
      let unmoved = try await stage.registry.connections.show(tenant: "acme", "u1").connection
      #expect(unmoved.lastDataAt == connection.lastDataAt)
      #expect(unmoved.recordedAt == connection.recordedAt)
      let events = try await stage.count("auth_event")
      let receipts = try await stage.count("webhook_receipt")
      #expect(events == 1)
      #expect(receipts == 0)
    }
  }

  @Test func aMinuteIsWrittenOnce() {
    let minutes = DataMinutes()
    let tenant = UUID()
    let key = OrderKey(instant: Instant(microseconds: 60_000_000), rank: .data, factID: "")
    let next = OrderKey(instant: Instant(microseconds: 120_000_000), rank: .data, factID: "")
    #expect(minutes.isNew(key, tenantID: tenant, userID: "u"))
    minutes.remember(next, tenantID: tenant, userID: "u")
    minutes.remember(key, tenantID: tenant, userID: "u")
    #expect(!minutes.isNew(next, tenantID: tenant, userID: "u"))
    #expect(!minutes.isNew(key, tenantID: tenant, userID: "u"))
    #expect(minutes.isNew(key, tenantID: UUID(), userID: "u"))
  }

  @Test func dataLaterThanAnErrorEndsTheDegradation() async throws {
    try await withStage { stage in
      try await stage.expect(Delivery(Payload.auth("u1"), at: -900), .accepted)
      try await stage.expect(Delivery(Payload.event("connection_error", user: "u1"), at: -600), .accepted)
      let before = try await stage.status("u1")
      #expect(before == .degraded)
      try await stage.expect(Delivery(Payload.data("u1"), at: -120), .data)
      let after = try await stage.status("u1")
      #expect(after == .active)
    }
  }

  @Test func dataBeforeItsAuthIsPendingUntilTheAuthComes() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.data("u1"), .data)
      let early = try await stage.status("u1")
      #expect(early == .pending)
      try await stage.expect(Payload.auth("u1"), .accepted)
      let after = try await stage.status("u1")
      #expect(after == .active)
    }
  }

  @Test(arguments: [1_000, 65_536, 1_000_000])
  func twentyMegabytesPassInPieces(_ piece: Int) async throws {
    try await withStage { stage in
      let body = Payload.data("u1", filler: 20_000_000)
      #expect(try await stage.deliver(Delivery(body), piece: piece) == .data)
      let connection = try await stage.registry.connections.show(tenant: "acme", "u1").connection
      #expect(connection.lastDataAt != nil)
      var forged = Delivery(body)
      forged.secret = "wrong"
      #expect(try await stage.deliver(forged, piece: piece) == .rejected)
      let kept = try await stage.texts("SELECT octet_length(body)::text FROM registry.webhook_receipt")
      #expect(kept == ["\(WebhookBody.keptOfRejected)"])
    }
  }

  @Test func onlyABeginningOfALargeBodyIsBuffered() {
    var body = WebhookBody(verifier: .init(signature: .nobodys, secrets: [[1]]))
    let piece = [UInt8](repeating: 120, count: 100_000)
    for _ in 1...200 {
      let isTaken = body.take(piece)
      #expect(isTaken)
      #expect(body.buffered.count <= WebhookBody.maximumEventBytes)
    }
    #expect(body.buffered.count == WebhookBody.keptOfRejected)
  }
}
