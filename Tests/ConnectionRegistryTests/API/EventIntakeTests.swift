@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import NIOHTTP1
import RegistryPostgres
import TestDatabase
import Testing

/// Events of a trusted channel, and receipts, over HTTP.
@Suite(.migratedDatabase) struct EventIntakeTests {
  private static func line(_ event: String, at time: String = "2026-01-02T03:04:05Z") -> String {
    #"{"emitted_at":"\#(time)","event":\#(event)}"#
  }

  private static func ingest(
    _ http: HTTPStage, _ lines: [String], key: String, path: String = "/v1/events?channel=sqs",
    contentType: String = "application/x-ndjson", headers: [(String, String)] = []
  ) async throws -> HTTPStage.Answer {
    try await http.send(
      "POST", path, key: key, json: lines.joined(separator: "\n"), contentType: contentType, headers: headers)
  }

  @Test func linesBecomeEventsOfTheKeysTenant() async throws {
    try await withHTTP { http in
      let key = try await http.key(.eventsIngest)
      let lines = [
        Self.line(Payload.auth("u1", reference: "zoë")), "",
        Self.line(Payload.deauth("u1"), at: "2026-01-02T03:04:06Z"),
        "not json", Self.line(Payload.auth("u1", reference: "zoë")), Self.line(Payload.data("u2")),
      ]
      let answer = try await Self.ingest(http, lines, key: key)
      #expect(answer.status == 200, "\(answer.text)")
      let ingest = try JSONDecoder().decode(EventIngest.self, from: answer.body)
      #expect((ingest.lines, ingest.accepted, ingest.duplicates, ingest.data, ingest.refused) == (5, 2, 1, 1, 1))
      #expect(ingest.refusals.map(\.line) == [4])
      let events = try await http.stage.registry.events.list(tenant: "acme").items
      #expect(events.map(\.channel) == ["trusted:sqs", "trusted:sqs"])
      #expect(try await http.stage.status("u1") == .deauthenticated)
      let audit = try await http.stage.texts(
        "SELECT action || ' ' || subject || ' ' || (actor LIKE 'key:%') || ' ' || detail::text FROM registry.audit_entry "
          + "WHERE action NOT LIKE 'api_key.%'")
      #expect(audit == [#"event.ingest sqs true {"lines": "5", "refused": "1", "accepted": "2"}"#])
      // The same again is known, and so is what the command line brings.
      let again = try await Self.ingest(http, lines, key: key, path: "/v1/events")
      #expect(again.text("accepted") == nil && again["accepted"] as? Int == 0 && again["duplicates"] as? Int == 3)
    }
  }

  @Test func aLineThatIsNotUTF8IsNotRepaired() async {
    var lines: [String] = []
    for await line in LineBody(Data("{}\n".utf8) + [0x22, 0xFF, 0x22, 0x0A] + Data("{}".utf8)) { lines.append(line) }
    #expect(lines == ["{}", "\u{FFFD}", "{}"])
  }

  @Test func whatIsNoSetOfLinesIsRefused() async throws {
    try await withHTTP { http in
      let key = try await http.key(.eventsIngest)
      let lines = [Self.line(Payload.auth("u1"))]
      for (path, type, status, code) in [
        ("/v1/events?channel=SQS", "application/x-ndjson", 400, "invalid_request"),
        ("/v1/events?channel=", "application/x-ndjson", 400, "invalid_request"),
        ("/v1/events", "application/json", 415, "unsupported_media_type"),
        ("/v1/events", "application/x-ndjson; charset=latin1", 415, "unsupported_media_type"),
      ] {
        let refused = try await Self.ingest(http, lines, key: key, path: path, contentType: type)
        #expect(refused.status == status && refused.code == code, "\(path) \(type): \(refused.text)")
      }
      let large = try await Self.ingest(
        http, [String(repeating: " ", count: EventOperations.maximumBytes + 1)], key: key)
      #expect(large.status == 413 && large.code == "content_too_large", "\(large.text)")
      #expect(try await http.stage.registry.events.list(tenant: "acme").items.isEmpty)
    }
  }

  @Test func aRepeatedRequestGetsTheFirstAnswer() async throws {
    try await withHTTP { http in
      let key = try await http.key(.eventsIngest)
      let name = [("Idempotency-Key", "batch-7")]
      let first = try await Self.ingest(http, [Self.line(Payload.auth("u1"))], key: key, headers: name)
      let again = try await Self.ingest(http, [Self.line(Payload.auth("u1"))], key: key, headers: name)
      #expect(first["accepted"] as? Int == 1 && again.body == first.body)
      let other = try await Self.ingest(http, [Self.line(Payload.auth("u2"))], key: key, headers: name)
      #expect(other.status == 409 && other.code == "idempotency_conflict", "\(other.text)")
    }
  }

  @Test func receiptsAreListedShownAcceptedAndReadAgain() async throws {
    try await withHTTP { http in
      let key = try await http.key(.eventsIngest, .connectionsRead)
      try await http.stage.expect(Delivery(Payload.auth("u1"), at: -4 * 86_400), .quarantined)
      try await http.stage.expect(Delivery(#"{"type":"auth","status":"success","user":7}"#), .unreadable)
      let receipts = try await http.items("/v1/receipts", key: key)
      #expect(receipts.compactMap { $0["disposition"] as? String } == ["quarantined", "unreadable"])
      let paths = receipts.compactMap { $0["receipt_id"] as? String }.map { "/v1/receipts/\($0)" }
      try #require(paths.count == 2)
      let shown = try await http.send("GET", paths[1] + "?body=true", key: key)
      #expect(shown.text("body")?.contains("\"user\":7") == true && shown.headers.contains(name: "ETag"))
      #expect(try await http.send("GET", paths[1], key: key).text("body") == nil)
      for (path, act) in [(paths[0], "replay"), (paths[1], "accept")] {
        let refused = try await http.send("POST", "\(path)/\(act)", key: key)
        #expect(refused.status == 409 && refused.code == "wrong_disposition", "\(refused.text)")
      }
      let accepted = try await http.send("POST", paths[0] + "/accept", key: key)
      #expect(accepted.text("disposition") == "accepted", "\(accepted.text)")
      #expect(try await http.stage.status("u1") == .active)
      #expect(try await http.send("POST", paths[0] + "/accept", key: key).text("disposition") == "duplicate")
      #expect(try await http.send("POST", paths[1] + "/replay", key: key).text("disposition") == "unreadable")
      try await http.stage.owner.execute(
        "UPDATE registry.webhook_receipt SET body = convert_to($1, 'UTF8') WHERE disposition = 'unreadable'",
        [.text(Payload.auth("u2"))])
      #expect(try await http.send("POST", paths[1] + "/replay", key: key).text("disposition") == "accepted")
      // The audit tells what took effect, once.
      #expect(
        try await http.stage.texts(
          "SELECT action FROM registry.audit_entry WHERE action NOT LIKE 'api_key.%' ORDER BY recorded_at")
          == ["event.accept", "event.replay"])
      #expect(try await http.send("POST", "/v1/receipts/\(UUID().text)/accept", key: key).status == 404)
    }
  }
}
