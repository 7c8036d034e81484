@testable import ConnectionRegistry
import Foundation
import TestDatabase
import Testing

/// Times in bodies: RFC 3339 with a zone, or the field is named.
@Suite(.migratedDatabase) struct BodyTimeTests {
  private static let bodies: [(path: String, field: String, others: String)] = [
    ("/v1/api-keys", "expires_at", #""name":"n","scopes":["connections:read"],"#),
    ("/v1/api-keys/{id}/rotate", "expires_at", #""overlap_seconds":60,"#),
    ("/v1/findings/{id}/acknowledge", "until", #""by":"ann","reason":"known","#),
    ("/v1/endpoints/{id}/replay", "since", ""), ("/v1/endpoints/{id}/replay", "until", ""),
  ]

  @Test func aTimeWithoutAZoneIsNamed() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      func ask(_ body: (path: String, field: String, others: String), _ time: String) async throws -> HTTPStage.Answer {
        try await http.send(
          "POST", body.path.replacing("{id}", with: UUID().uuidString.lowercased()), key: key,
          json: "{\(body.others)\"\(body.field)\":\(time)}")
      }
      for body in Self.bodies {
        for time in [
          "2098-03-01T09:30:00", "2098-03-01T09:30:00.5", "2098-03-01", "2098-03-01 09:30:00", "09:30:00Z",
          "2098-03-01T09:30Z", "2098-02-30T00:00:00Z", "2098-03-01T24:30:00Z", "2098-03-01T09:30:00+25:00", "tomorrow",
          "",
        ] {
          let refused = try await ask(body, "\"\(time)\"")
          #expect(refused.status == 400 && refused.text("field") == body.field, "\(body.path) \(time): \(refused.text)")
        }
        for time in ["4044468600", "true", "{}"] {
          let refused = try await ask(body, time)
          #expect(refused.status == 400 && refused.text("field") == body.field, "\(body.path) \(time): \(refused.text)")
        }
        // With a zone the body is taken, and what it is about is looked for.
        for time in ["2098-03-01T09:30:00Z", "2098-03-01T09:30:00.123456+02:00", "2098-03-01t09:30:00z"] {
          let taken = try await ask(body, "\"\(time)\"")
          #expect(taken.status == (body.path.contains("{id}") ? 404 : 201), "\(body.path) \(time): \(taken.text)")
        }
      }
      #expect(try await http.stage.count("api_key") == 4)
    }
  }

  @Test func aTimeIsKeptAsTheMomentItNames() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      let made = try await http.send(
        "POST", "/v1/api-keys", key: key,
        json: #"{"name":"n","scopes":["connections:read"],"expires_at":"2098-03-01T09:30:00+02:00"}"#)
      #expect(made.status == 201, "\(made.text)")
      #expect(made.text("key.expires_at")?.hasPrefix("2098-03-01T07:30:00") == true)
    }
  }
}
