@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import RegistryTerra
import TestDatabase
import Testing

@Suite(.migratedDatabase) struct RefusalTests {
  @Test func aWrongSignatureLeavesAReceipt() async throws {
    try await withStage { stage in
      var delivery = Delivery(Payload.auth("u1"), trace: "a")
      delivery.secret = "wrong"
      let answer = try await stage.answer(delivery)
      #expect(answer.status == 401)
      #expect(answer.disposition == .rejected)
      let receipt = try #require(try await stage.registry.receipts.list(tenant: "acme").items.first)
      #expect(receipt.reasonCode == "wrong_signature")
      #expect(receipt.traceID == "a")
      #expect(try await stage.count("connection") == 0)
      let detail = try await stage.registry.receipts.show(tenant: "acme", receipt.receiptID)
      #expect(detail.body == Payload.auth("u1"))
    }
  }

  @Test(arguments: [
    [], [("X-Terra-Signature", "")], [("X-Terra-Signature", "v1=00")], [("X-Terra-Signature", "t=abc,v1=00")],
    [("X-Terra-Signature", "t=1"), ("X-Terra-Signature", "t=2,v1=zz")],
    [("X-Terra-Signature", "t=99999999999999999999,v1=\(String(repeating: "0", count: 64))")],
    [("X-Terra-Signature", "t=9223372036854775807,v1=\(String(repeating: "0", count: 64))")],
  ])
  func headersThatProveNothingAreRefused(_ headers: [(String, String)]) async throws {
    try await withStage { stage in
      var delivery = Delivery(Payload.auth("u1"))
      delivery.headers = headers.map { (name: $0.0, value: $0.1) }
      try await stage.expect(delivery, .rejected)
      let count = try await stage.count("webhook_receipt")
      #expect(count == 1)
    }
  }

  @Test func anUnknownTenantGetsTheSameAnswer() async throws {
    try await withStage { stage in
      let known = try await stage.answer(
        {
          var delivery = Delivery(Payload.auth("u1"))
          delivery.secret = "wrong"
          return delivery
        }())
      for slug in ["nobody", "", "../acme", "ACME", String(repeating: "a", count: 5_000), "a\0b", "ä"] {
        let unknown = try await stage.answer(Delivery(Payload.auth("u1")), tenant: slug)
        #expect(unknown == known)
      }
    }
  }

  @Test func rejectedDeliveriesAreKeptUpToALimitADayAndThenCounted() async throws {
    try await withStage { stage in
      try await stage.owner.execute(
        """
        INSERT INTO registry.webhook_receipt_count (tenant_id, day, disposition, count)
        SELECT tenant_id, (now() AT TIME ZONE 'UTC')::date, 'rejected', 998 FROM registry.tenant
        """)
      for number in 1...5 {
        var delivery = Delivery(Payload.auth("u\(number)"))
        delivery.secret = "wrong"
        try await stage.expect(delivery, .rejected)
      }
      let kept = try await stage.count("webhook_receipt")
      #expect(kept == 2)
      let counted = try await stage.texts("SELECT count::text FROM registry.webhook_receipt_count")
      #expect(counted == ["1003"])
    }
  }

  @Test func aRejectedDeliveryIsAnsweredBeforeItIsRecorded() async throws {
    try await withStage { stage in
      var delivery = Delivery(Payload.auth("u1"))
      delivery.secret = "wrong"
      let rejected = delivery
      try await stage.owner.withTransaction { gate in
        // Nothing about it can be written meanwhile.
        try await gate.execute("LOCK TABLE registry.webhook_receipt_count IN SHARE MODE")
        // More than may wait: those beyond are only counted.
        for _ in 0..<(Rejections.capacity + 50) {
          let answer = try await stage.answer(rejected, settles: false)
          #expect(answer.status == 401)
        }
      }
      await stage.registry.webhooks.rejections.settle()
      let kept = try await stage.count("webhook_receipt")
      #expect((Rejections.capacity...Rejections.capacity + 1).contains(kept))
      try await stage.expect(rejected, .rejected)
      let counted = try await stage.texts("SELECT count::text FROM registry.webhook_receipt_count")
      #expect(counted == ["\(Rejections.capacity + 51)"])
    }
  }

  @Test func beyondTheLimitSumsAreWritten() {
    let limit = RejectionLimit()
    let tenant = UUID()
    let now = Date(timeIntervalSince1970: 1_767_225_600)
    var written: [Int] = []
    for _ in 1...1_350 { if let count = limit.admit(tenantID: tenant, at: now) { written.append(count) } }
    #expect(written.count == 1_003)
    #expect(written.reduce(0, +) == 1_300)
    #expect(limit.admit(tenantID: tenant, at: now.addingTimeInterval(86_400)) == 1)
  }

  @Test func unknownTypesAboutAuthenticationAreKeptAsReceipts() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.event("auth", status: "pending", user: "u1"), .unknownType)
      try await stage.expect(Payload.event("user_moved", user: "u1"), .unknownType)
      try await stage.expect(Payload.event("google_no_datasource", user: "u1"), .unknownType)
      try await stage.expect("{\"type\":\"healthcheck\",\"status\":\"success\"}", .data)
      let receipts = try await stage.registry.receipts.list(tenant: "acme", filter: .init(disposition: .unknownType))
        .items
      #expect(receipts.map(\.type) == ["auth", "user_moved", "google_no_datasource"])
      let connections = try await stage.count("connection")
      #expect(connections == 0)
    }
  }

  static let unreadable: [(String, [UInt8])] = [
    ("empty", []), ("not JSON", Array("hello".utf8)), ("another shape", Array("[1,2]".utf8)),
    ("no type", Array("{\"user\":{\"user_id\":\"u\"}}".utf8)),
    ("no user", Array("{\"type\":\"auth\",\"status\":\"success\"}".utf8)),
    ("user is null", Array("{\"type\":\"deauth\",\"user\":null}".utf8)),
    ("user_id is a number", Array("{\"type\":\"auth\",\"status\":\"success\",\"user\":{\"user_id\":1}}".utf8)),
    (
      "invalid UTF-8",
      Array("{\"type\":\"auth\",\"status\":\"success\",\"user\":{\"user_id\":\"".utf8) + [0xFF, 0xFE]
        + Array("\"}}".utf8)
    ),
    (
      "NUL byte",
      Array("{\"type\":\"auth\",\"status\":\"success\",\"user\":{\"user_id\":\"a".utf8) + [0] + Array("\"}}".utf8)
    ),
    ("NUL escape", Array("{\"type\":\"auth\",\"status\":\"success\",\"user\":{\"user_id\":\"a\\u0000b\"}}".utf8)),
    ("NUL in the type", Array("{\"type\":\"auth\\u0000\",\"status\":\"success\",\"user\":{\"user_id\":\"a\"}}".utf8)),
    ("lone surrogate", Array("{\"type\":\"auth\",\"status\":\"success\",\"user\":{\"user_id\":\"\\ud800\"}}".utf8)),
    ("deep", Array(String(repeating: "[", count: 50_000).utf8)),
    ("long user_id", Array(Payload.auth(String(repeating: "u", count: 257)).utf8)),
    ("cut short", Array(Payload.auth("u1").utf8.dropLast(5))),
  ]

  @Test(arguments: unreadable) func whatCannotBeReadIsKeptAndAnsweredWith200(
    _ name: String, _ body: [UInt8]
  ) async throws {
    try await withStage { stage in
      let answer = try await stage.answer(Delivery(body))
      #expect(answer.status == 200)
      #expect(answer.disposition == .unreadable || answer.disposition == .unknownType, "\(name)")
      let receipt = try #require(try await stage.registry.receipts.list(tenant: "acme").items.first)
      #expect(receipt.bodyBytes == Int64(body.count))
      let events = try await stage.count("auth_event")
      #expect(events == 0)
    }
  }

  @Test(arguments: [(1, true), (1_024, true), (1_025, false), (4_096, false)])
  func aReferenceIDHasOneTo1024Bytes(_ length: Int, _ isTaken: Bool) async throws {
    try await withStage { stage in
      let reference = String(repeating: "r", count: length)
      try await stage.expect(Payload.auth("u1", reference: reference), isTaken ? .accepted : .unreadable)
      if isTaken {
        let person = try await stage.registry.appUsers.show(tenant: "acme", reference)
        #expect(person.connections.map(\.userID) == ["u1"])
      }
    }
  }

  @Test func anEmptyReferenceIDNamesNobody() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.auth("u1", reference: ""), .accepted)
      let connection = try await stage.registry.connections.show(tenant: "acme", "u1").connection
      #expect(connection.referenceID == nil)
      let people = try await stage.count("app_user")
      #expect(people == 0)
    }
  }

  @Test func anAuthEventHasAtMost256KiB() async throws {
    try await withStage { stage in
      func body(_ size: Int) -> String {
        let empty = "{\"type\":\"auth\",\"status\":\"success\",\"user\":{\"user_id\":\"u1\"},\"x\":\"\"}"
        return empty.replacing("\"\"}", with: "\"\(String(repeating: "x", count: size - empty.utf8.count))\"}")
      }
      try await stage.expect(body(256 << 10), .accepted)
      try await stage.expect(body((256 << 10) + 1), .tooLarge)
      let large = try await stage.answer(Delivery(body(300 << 10)))
      #expect(large.status == 413)
    }
  }

  @Test func whatIsAbove32MiBIsRefusedWithoutReadingOn() async throws {
    try await withStage { stage in
      let answer = try await stage.answer(Delivery([UInt8](repeating: 32, count: (32 << 20) + 1)), piece: 1 << 20)
      #expect(answer.disposition == .tooLarge)
    }
  }

  @Test func timesOutOfRangeAreQuarantinedNotLost() async throws {
    try await withStage { stage in
      for t: Int64 in [0, 1, 253_402_300_799, 253_402_300_800, 9_999_999_999_999, 999_999_999_999_999_999] {
        try await stage.expect(Delivery(Payload.auth("u1"), t: t), .quarantined)
      }
      let receipts = try await stage.registry.receipts.list(tenant: "acme").items
      #expect(receipts.count == 6)
    }
  }
}
