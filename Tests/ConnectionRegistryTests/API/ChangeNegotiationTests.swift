@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import NIOHTTP1
import TestDatabase
import Testing

/// In which form the change feed answers, and what it says of it.
@Suite(.migratedDatabase) struct ChangeNegotiationTests {
  @Test func theDocumentDeclaresBothForms() async throws {
    try await withHTTP { http in
      let document = try await http.send("GET", "/openapi.json")
      let content = document["paths./v1/changes.get.responses.200.content"] as? [String: Any]
      #expect(content.map { $0.keys.sorted() } == ["application/json", "text/event-stream"])
    }
  }

  @Test(arguments: [
    "application/json, text/event-stream;q=0", "text/event-stream; q=0.0", "application/json",
    "text/event-stream;q=0.1, application/json", "*/*",
  ])
  func whoDoesNotWantEventsGetsADocument(_ accept: String) async throws {
    try await withHTTP { http in
      let key = try await http.key(.connectionsRead)
      let answer = try await http.send("GET", "/v1/changes", key: key, headers: [("Accept", accept)])
      #expect(answer.status == 200 && answer.headers["Content-Type"] == ["application/json"], "\(answer.headers)")
    }
  }

  @Test func aForgedLastEventIDIsCalledByItsName() async throws {
    try await withHTTP { http in
      let key = try await http.key(.connectionsRead)
      let header = try await http.send("GET", "/v1/changes", key: key, headers: [("Last-Event-ID", "forged")])
      #expect(header.status == 400 && header.text("field") == "Last-Event-ID", "\(header.text)")
      let query = try await http.send("GET", "/v1/changes?after=forged", key: key)
      #expect(query.status == 400 && query.text("field") == "after")
    }
  }

  @Test func aPageMaySendLastEventID() async throws {
    var api = APISettings()
    api.origins = ["https://console.acme.io"]
    try await withHTTP(api: api) { http in
      let preflight = try await http.send(
        "OPTIONS", "/v1/changes",
        headers: [
          ("Origin", "https://console.acme.io"), ("Access-Control-Request-Method", "GET"),
          ("Access-Control-Request-Headers", "authorization,last-event-id"),
        ])
      #expect(preflight.status == 204)
      #expect(preflight.headers["Access-Control-Allow-Headers"].joined().contains("Last-Event-ID"))
    }
  }
}
