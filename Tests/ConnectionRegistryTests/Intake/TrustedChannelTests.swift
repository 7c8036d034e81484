@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import RegistryTerra
import TestDatabase
import Testing

/// Events that come over a trusted channel, and deliveries that are taken in by hand.
@Suite(.migratedDatabase) struct TrustedChannelTests {
  private static func line(_ event: String, at time: String? = "2026-01-02T03:04:05Z") -> String {
    let emitted = time.map { "\"emitted_at\":\"\($0)\"," } ?? ""
    return "{\(emitted)\"event\":\(event)}"
  }

  private static func lines(_ texts: [String]) -> AsyncStream<String> {
    AsyncStream { continuation in
      for text in texts { continuation.yield(text) }
      continuation.finish()
    }
  }

  @Test func envelopesBecomeEventsInTheOrderOfTheirOwnTime() async throws {
    try await withStage { stage in
      let texts = [
        Self.line(Payload.deauth("u1"), at: "2026-01-02T05:00:00+01:00"),
        Self.line(Payload.auth("u1"), at: "2026-01-02T03:59:59Z"), "", Self.line(Payload.auth("u2"), at: nil),
        Self.line(Payload.data("u2")), Self.line(Payload.auth("u1"), at: "2026-01-02T03:59:59Z"),
      ]
      let ingest = try await stage.registry.webhooks.ingest(
        tenant: "acme", channel: "sqs", by: "tests", lines: Self.lines(texts))
      #expect(ingest == EventIngest(lines: 5, accepted: 3, duplicates: 1, data: 1))
      let ended = try await stage.registry.connections.show(tenant: "acme", "u1")
      #expect(ended.connection.status == .deauthenticated)
      #expect(Set(ended.events.map(\.channel)) == ["trusted:sqs"])
      let living = try await stage.registry.connections.show(tenant: "acme", "u2")
      #expect(living.connection.status == .active)
      #expect(living.connection.lastDataAt == Date(timeIntervalSince1970: 1_767_323_040))
    }
  }

  @Test func anEventWithoutTimeComesBeforeAllThatAreSigned() async throws {
    try await withStage { stage in
      try await stage.expect(Delivery(Payload.deauth("u1")), .accepted)
      _ = try await stage.registry.webhooks.ingest(
        tenant: "acme", channel: "s3", by: "tests", lines: Self.lines([Self.line(Payload.auth("u1"), at: nil)]))
      #expect(try await stage.status("u1") == .deauthenticated)
    }
  }

  @Test(
    arguments: [
      ("not json", "JSON"), ("[]", "object"), (#"{"emitted_at":"2026-01-02T03:04:05Z"}"#, "event is missing"),
      (#"{"emitted_at":"2026-01-02T03:04:05","event":{}}"#, "with a zone"),
      (#"{"emitted_at":7,"event":{}}"#, "emitted_at"), (#"{"event":{}}"#, "type is missing"),
      (#"{"event":{"type":"auth","status":"success"}}"#, "user is missing"),
      (
        #"{"emitted_at":"2999-01-01T00:00:00Z","event":{"type":"auth","status":"success","user":{"user_id":"u"}}}"#,
        "future"
      ),
    ])
  func aLineThatCannotBeReadIsToldAndTheOthersAreTaken(line: String, words: String) async throws {
    try await withStage { stage in
      let ingest = try await stage.registry.webhooks.ingest(
        tenant: "acme", channel: "kafka", by: "tests", lines: Self.lines([line, Self.line(Payload.auth("u1"))]))
      #expect(ingest.refusals.map(\.line) == [1])
      #expect(ingest.refusals.first?.reason.contains(words) == true, "\(ingest.refusals)")
      #expect((ingest.lines, ingest.accepted, ingest.refused) == (2, 1, 1))
    }
  }

  @Test(arguments: ["", "SQS", "a b", "a:b", String(repeating: "x", count: 33)])
  func aChannelIsNamedPlainly(channel: String) async throws {
    try await withStage { stage in
      await expectError(.invalidRequest) {
        _ = try await stage.registry.webhooks.ingest(
          tenant: "acme", channel: channel, by: "tests", lines: Self.lines([]))
      }
    }
  }

  @Test func aQuarantinedEventIsAcceptedByHandAtItsPlace() async throws {
    try await withStage { stage in
      try await stage.expect(Delivery(Payload.auth("u1"), at: -4 * 86_400), .quarantined)
      let receipts = try await stage.registry.receipts.list(tenant: "acme").items
      let receipt = try #require(receipts.first)
      let outcome = try await stage.registry.webhooks.accept(tenant: "acme", receipt.receiptID, by: "tests")
      #expect(outcome == ReceiptOutcome(receiptID: receipt.receiptID, disposition: "accepted"))
      let event = try await stage.registry.events.show(tenant: "acme", receipt.receiptID).event
      #expect(event.signedAt == receipt.signedAt)
      #expect(try await stage.status("u1") == .active)
      #expect(
        try await stage.registry.webhooks.accept(tenant: "acme", receipt.receiptID, by: "tests").disposition
          == "duplicate")
      await expectError(.wrongDisposition) {
        _ = try await stage.registry.webhooks.replay(tenant: "acme", receipt.receiptID, by: "tests")
      }
    }
  }

  @Test func whatCouldNotBeReadIsReadAgain() async throws {
    try await withStage { stage in
      try await stage.expect(Delivery(#"{"type":"auth","status":"success","user":7}"#), .unreadable)
      let receipt = try #require(try await stage.registry.receipts.list(tenant: "acme").items.first)
      #expect(
        try await stage.registry.webhooks.replay(tenant: "acme", receipt.receiptID, by: "tests").disposition
          == "unreadable")
      // A later version reads what this one cannot.
      try await stage.owner.execute(
        "UPDATE registry.webhook_receipt SET body = convert_to($1, 'UTF8')", [.text(Payload.auth("u1"))])
      #expect(
        try await stage.registry.webhooks.replay(tenant: "acme", receipt.receiptID, by: "tests").disposition
          == "accepted")
      #expect(try await stage.status("u1") == .active)
      await expectError(.wrongDisposition) {
        _ = try await stage.registry.webhooks.accept(tenant: "acme", receipt.receiptID, by: "tests")
      }
    }
  }

  @Test func aRejectedDeliveryIsNeverTakenIn() async throws {
    try await withStage { stage in
      var delivery = Delivery(Payload.auth("u1"))
      delivery.secret = "wrong"
      try await stage.expect(delivery, .rejected)
      var receipt: WebhookReceipt?
      while receipt == nil {
        receipt = try await stage.registry.receipts.list(tenant: "acme").items.first
        await Task.yield()
      }
      let id = try #require(receipt?.receiptID)
      await expectError(.wrongDisposition) {
        _ = try await stage.registry.webhooks.accept(tenant: "acme", id, by: "tests")
      }
      await expectError(.wrongDisposition) {
        _ = try await stage.registry.webhooks.replay(tenant: "acme", id, by: "tests")
      }
    }
  }
}
