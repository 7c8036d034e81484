@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import NIOHTTP1
import TestDatabase
import Testing

/// Limits that hold outside of `/v1` too.
@Suite(.migratedDatabase) struct RequestLimitEverywhereTests {
  private static let long = String(repeating: "a", count: 60_000)

  private static func gateway(_ http: HTTPStage, _ path: String, key: String) async throws -> HTTPStage.Answer {
    try await http.send(
      "GET", "/terra\(path)", headers: [("x-api-key", key), ("dev-id", "\(http.stage.slug)-dev-id")])
  }

  @Test func aURLOf60KBIsRefusedEverywhere() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      #expect(try await Self.gateway(http, "/v2/subscriptions", key: key).status == 200)
      let forwarded = try await Self.gateway(http, "/v2/subscriptions?x=\(Self.long)", key: key)
      #expect(forwarded.status == 414 && forwarded.code == "uri_too_long")
      #expect(forwarded.text("status") == "error", "clients of Terra's read this member")
      for (method, path) in [
        ("POST", "/webhooks/terra/acme"), ("GET", "/callbacks/terra/acme/token/success"),
        ("GET", "/connect/acme/token"),
        ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/nothing"),
        ("POST", "/terra/v2/daily"),
      ] {
        let answer = try await http.send(method, "\(path)?x=\(Self.long)")
        #expect(answer.status == 414 && answer.code == "uri_too_long", "\(method) \(path): \(answer.status)")
      }
    }
  }

  @Test func headersOf60KBAreRefusedEverywhere() async throws {
    try await withHTTP { http in
      for (method, path) in [
        ("POST", "/webhooks/terra/acme"), ("GET", "/callbacks/terra/acme/token/success"), ("GET", "/healthz"),
        ("GET", "/openapi.json"), ("GET", "/nothing"), ("GET", "/terra/v2/subscriptions"),
      ] {
        let answer = try await http.send(method, path, headers: [("X-Long", Self.long)])
        #expect(answer.status == 431 && answer.code == "headers_too_large", "\(method) \(path): \(answer.status)")
      }
    }
  }

  @Test func aKeyHasOneRateForTheAPIAndTheGateway() async throws {
    var api = APISettings()
    (api.rate, api.burst) = (0.001, 2)
    try await withHTTP(api: api) { http in
      let key = try await http.key(.admin)
      #expect(try await http.send("GET", "/v1/connections", key: key).status == 200)
      #expect(try await Self.gateway(http, "/v2/subscriptions", key: key).status == 200)
      let refused = try await Self.gateway(http, "/v2/subscriptions", key: key)
      #expect(refused.status == 429 && refused.code == "rate_limited" && refused.text("status") == "error")
      #expect(refused.headers.first(name: "Retry-After").flatMap { Int($0) } ?? 0 > 900)
      #expect(try await http.send("GET", "/v1/connections", key: key).status == 429)
      let other = try await http.key(.admin)
      #expect(try await Self.gateway(http, "/v2/subscriptions", key: other).status == 200)
    }
  }

  @Test func aMemberThatIsGivenTwiceIsRefused() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      for (json, field) in [
        (#"{"reference_id":"a","reference_id":"b"}"#, "reference_id"),
        (#"{"reference_id":"a","reference\u005fid":"b"}"#, "reference_id"),
        (#"{"reference_id":"a","x":{"y":1,"y":1}}"#, "y"),
      ] {
        let answer = try await http.send("POST", "/v1/sessions", key: key, json: json)
        #expect(
          answer.status == 400 && answer.code == "invalid_request" && answer.text("field") == field, "\(answer.text)")
      }
    }
  }

  @Test func healthIsToldToHEADWithoutABody() async throws {
    try await withHTTP { http in
      for path in ["/healthz", "/readyz"] {
        let answer = try await http.send("HEAD", path)
        #expect(answer.status == 200 && answer.body.isEmpty, "\(path): \(answer.status)")
      }
    }
  }
}
