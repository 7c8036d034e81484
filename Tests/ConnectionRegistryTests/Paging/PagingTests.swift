@testable import ConnectionRegistry
import Foundation
import RegistryModel
import TestDatabase
import TestRandom
import Testing

@Suite struct RegistryJSONTests {
  @Test func timesAreWrittenToTheMicrosecondAndReadBack() throws {
    var generator = SeededGenerator(seed: TestSeed.take("timesAreWrittenToTheMicrosecondAndReadBack"))
    for _ in 1...500 {
      let microseconds = Int64.random(in: -62_135_596_800_000_000...253_402_300_799_000_000, using: &generator)
      let recent = microseconds % 4_102_444_800_000_000
      let date = Date(timeIntervalSince1970: Double(recent) / 1_000_000)
      let read = try #require(RFC3339.date(from: RFC3339.text(of: date)))
      #expect(abs(read.timeIntervalSince(date)) < 0.000_001)
    }
    #expect(RFC3339.text(of: Date(timeIntervalSince1970: 0)) == "1970-01-01T00:00:00.000000Z")
    #expect(RFC3339.text(of: Date(timeIntervalSince1970: 1_767_225_600.5)) == "2026-01-01T00:00:00.500000Z")
    #expect(RFC3339.text(of: Date(timeIntervalSince1970: 1_767_225_599.999_999_9)) == "2026-01-01T00:00:00.000000Z")
  }

  @Test(arguments: [
    ("2026-01-01T00:00:00Z", 1_767_225_600.0), ("2026-01-01T05:30:00+05:30", 1_767_225_600),
    ("2026-01-01T00:00:00.250000+00:00", 1_767_225_600.25), ("2025-12-31T19:00:00.5-05:00", 1_767_225_600.5),
    // Offsets of more than 18 hours, which Foundation does not take.
    ("2026-01-01T00:00:00-18:09", 1_767_290_940), ("2026-01-01T00:00:00.000249+23:59", 1_767_139_260.000249),
  ])
  func timesOfPostgresAndOthersAreRead(_ text: String, _ seconds: Double) {
    #expect(RFC3339.date(from: text)?.timeIntervalSince1970 == seconds)
  }

  @Test(arguments: ["", "now", "2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1x"])
  func whatIsNoTimeIsRefused(_ text: String) {
    #expect(RFC3339.date(from: text) == nil)
  }

  /// What the API writes can be read with the same types.
  @Test func entitiesComeBackFromTheirJSON() throws {
    let date = Date(timeIntervalSince1970: 1_767_225_600.25)
    let session = AuthSession(
      sessionID: UUID(), kind: .direct, status: .open, referenceID: "r", resource: "FITBIT", multiAuth: false,
      userID: "u", terraSessionID: nil, authURL: "https://a.example", returnSuccess: "s", returnFailure: "f",
      refusedReason: nil, createdAt: date, expiresAt: date)
    let callback = RedirectCallback(
      callbackID: UUID(), recordedAt: date, attemptSHA256: "00", sessionID: UUID(), outcome: .success,
      verdict: .unverified, userID: "u", referenceID: nil, resource: nil, reason: nil, ambiguous: [], rawQuery: "a=1")
    let tenant = ReturnURLTests.production
    try Self.expectBack(session)
    try Self.expectBack(callback)
    try Self.expectBack(tenant)
    let json = String(decoding: try RegistryJSON.encoder().encode(session), as: UTF8.self)
    #expect(json.contains("\"auth_url\":\"https://a.example\""))
    #expect(json.contains("\"session_id\":"))
    #expect(String(decoding: try RegistryJSON.encoder().encode(callback), as: UTF8.self).contains("\"attempt_sha256\""))
    #expect(String(decoding: try RegistryJSON.encoder().encode(tenant), as: UTF8.self).contains("\"return_urls\""))
  }

  private static func expectBack<Value: Codable & Equatable>(_ value: Value) throws {
    let data = try RegistryJSON.encoder().encode(value)
    #expect(try RegistryJSON.decoder().decode(Value.self, from: data) == value)
  }
}

@Suite(.migratedDatabase) struct PagingTests {
  /// Pages of a list that is being written to hold each row once, and every row that stood there at the beginning.
  @Test func aListThatIsBeingWrittenToIsPagedWithoutTwins() async throws {
    try await withStage { stage in
      for number in 0..<40 { try await stage.expect(Payload.auth("before-\(number)"), .accepted) }
      let writer = Task {
        for number in 0..<40 { try await stage.deliver(Payload.auth("during-\(number)")) }
      }
      var seen: [String] = []
      var page = Page(limit: 7)
      repeat {
        let listed = try await stage.registry.connections.list(tenant: "acme", page: page)
        seen += listed.items.map(\.userID)
        page.cursor = listed.nextCursor
      } while page.cursor != nil
      try await writer.value
      #expect(Set(seen).count == seen.count)
      #expect(Set(seen).isSuperset(of: (0..<40).map { "before-\($0)" }))
    }
  }

  @Test func everyListIsPaged() async throws {
    try await withStage { stage in
      for number in 0..<5 {
        let opened = try await stage.open("FITBIT", reference: "p\(number)")
        try await stage.visit(opened.token, "n=\(number)")
        try await stage.expect(Payload.auth(opened.session.userID ?? "", reference: nil), .accepted)
        try await stage.expect(Payload.event("user_moved", user: "u\(number)"), .unknownType)
        _ = try await stage.registry.reconciliations.run(tenant: "acme")
      }
      let registry = stage.registry
      let counts = [
        try await Self.pages { try await registry.sessions.list(tenant: "acme", page: $0) },
        try await Self.pages { try await registry.callbacks.list(tenant: "acme", page: $0) },
        try await Self.pages { try await registry.events.list(tenant: "acme", page: $0) },
        try await Self.pages { try await registry.receipts.list(tenant: "acme", page: $0) },
        try await Self.pages { try await registry.connections.list(tenant: "acme", page: $0) },
        try await Self.pages { try await registry.reconciliations.list(tenant: "acme", page: $0) },
      ]
      #expect(counts == [[2, 2, 1], [2, 2, 1], [2, 2, 1], [2, 2, 1], [2, 2, 1], [2, 2, 1]])
    }
  }

  private static func pages<Item>(_ list: (Page) async throws -> Listed<Item>) async throws -> [Int] {
    var counts: [Int] = []
    var page = Page(limit: 2)
    repeat {
      let listed = try await list(page)
      counts.append(listed.items.count)
      page.cursor = listed.nextCursor
    } while page.cursor != nil
    return counts
  }
}
