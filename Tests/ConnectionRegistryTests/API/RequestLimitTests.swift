@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import RegistryPostgres
import TestDatabase
import Testing

/// What a caller may cost: how often, how much, how long.
@Suite(.migratedDatabase) struct RequestLimitTests {
  /// A clock that a test moves.
  private final class HandClock: Sendable {
    private let time = NIOLockedValueBox(ContinuousClock.now)
    var now: ContinuousClock.Instant { time.withLockedValue { $0 } }
    func advance(_ duration: Duration) { time.withLockedValue { $0 += duration } }
  }

  @Test func aKeyThatAsksTooOftenIsToldWhenToComeBack() async throws {
    let clock = HandClock()
    var api = APISettings()
    (api.rate, api.burst) = (0.5, 3)
    api.now = { clock.now }
    try await withHTTP(api: api) { http in
      let key = try await http.key(.connectionsRead)
      let other = try await http.key(.connectionsRead)
      func status(_ key: String) async throws -> Int {
        try await http.send("GET", "/v1/connections", key: key).status
      }
      for _ in 1...3 { #expect(try await status(key) == 200) }
      let refused = try await http.send("GET", "/v1/connections", key: key)
      #expect(refused.status == 429 && refused.code == "rate_limited")
      #expect(refused.headers.first(name: "Retry-After") == "2")
      // Whatever it asks for, and whether it may or not.
      #expect(try await http.send("POST", "/v1/sessions", key: key, json: "{}").status == 429)
      #expect(try await http.send("GET", "/v1/app-users/nobody", key: key).status == 429)
      // Another key's bucket is its own.
      #expect(try await status(other) == 200)
      clock.advance(.milliseconds(1_900))
      #expect(try await http.send("GET", "/v1/connections", key: key).headers.first(name: "Retry-After") == "1")
      clock.advance(.milliseconds(100))
      #expect(try await status(key) == 200)
      #expect(try await status(key) == 429)
      // A long pause fills the bucket up to the burst and no further.
      clock.advance(.seconds(3_600))
      for _ in 1...3 { #expect(try await status(key) == 200) }
      #expect(try await status(key) == 429)
    }
  }

  @Test func withARateOfZeroNobodyIsHeldBack() async throws {
    var api = APISettings()
    (api.rate, api.burst) = (0, 1)
    try await withHTTP(api: api) { http in
      let key = try await http.key(.connectionsRead)
      for _ in 1...20 { #expect(try await http.send("GET", "/v1/connections", key: key).status == 200) }
    }
  }

  @Test func whatTheDatabaseHoldsUpIsAnsweredInTime() async throws {
    var api = APISettings()
    api.timeLimit = .milliseconds(300)
    try await withHTTP(api: api) { http in
      let key = try await http.key(.connectionsRead)
      try await http.stage.owner.withTransaction { transaction in
        try await transaction.execute("LOCK TABLE registry.connection IN ACCESS EXCLUSIVE MODE")
        let late = try await http.send("GET", "/v1/connections", key: key)
        #expect(late.status == 503 && late.code == "timed_out", "\(late.text)")
        #expect(late.headers.first(name: "Retry-After") == "5")
      }
      #expect(try await http.send("GET", "/v1/connections", key: key).status == 200)
    }
  }

  /// A body of which a byte comes now and then.
  @Test func aBodyThatDoesNotArriveIsGivenUp() async throws {
    var api = APISettings()
    api.bodyTimeLimit = .milliseconds(400)
    try await withHTTP(api: api) { http in
      let key = try await http.key(.admin)
      let pieces = AsyncThrowingStream.trickling(
        """
        POST /v1/api-keys HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(key)\r\nConnection: close\r
        Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{
        """, then: " ", pieces: 40)
      let answer = try await http.sendRaw(pieces)
      #expect(answer.hasPrefix("HTTP/1.1 408 "), "\(answer)")
      #expect(answer.contains("body_timed_out"))
    }
  }

  /// Headers of which a byte comes now and then: no request begins, and the connection is closed.
  @Test func headersThatDoNotEndCloseTheConnection() async throws {
    try await withHTTP(idleTimeout: .milliseconds(400)) { http in
      let pieces = AsyncThrowingStream.trickling("GET /v1/connections HTTP/1.1\r\nHost: localhost\r\n", then: "x")
      let began = ContinuousClock.now
      let answer = try await http.sendRaw(pieces)
      #expect(answer.isEmpty, "\(answer)")
      #expect(ContinuousClock.now - began < .seconds(20))
    }
  }

  @Test func aURLOf64KiBIsRefused() async throws {
    try await withHTTP { http in
      let key = try await http.key(.connectionsRead)
      let long = String(repeating: "a", count: 64 << 10)
      for path in ["/v1/connections?cursor=\(long)", "/v1/app-users/\(long)", "/v1/\(long)"] {
        let answer = try await http.send("GET", path, key: key)
        #expect(answer.status == 414 && answer.code == "uri_too_long")
      }
    }
  }

  @Test func aHeaderOf64KiBIsRefused() async throws {
    try await withHTTP { http in
      let key = try await http.key(.connectionsRead)
      let long = String(repeating: "a", count: 64 << 10)
      for name in ["X-Long", "If-None-Match", "X-Request-Id"] {
        let answer = try await http.send("GET", "/v1/connections/u", key: key, headers: [(name, long)])
        #expect(answer.status == 431 && answer.code == "headers_too_large", "\(name): \(answer.status)")
      }
      let token = try await http.send("GET", "/v1/connections", key: long)
      #expect(token.status == 431)
      // Beyond what the server reads at all the connection ends with 400 or 431, and others are served.
      let answer = try await http.sendRaw(
        "GET /v1/connections HTTP/1.1\r\nHost: x\r\nX-Long: \(String(repeating: "a", count: 200 << 10))\r\n\r\n")
      #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 4"), "\(answer.prefix(60))")
      #expect(try await http.send("GET", "/v1/connections", key: key).status == 200)
    }
  }

  @Test func aBodyThatIsTooLargeIsRefused() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      let large = #"{"name":"\#(String(repeating: "a", count: 64 << 10))","scopes":["admin"]}"#
      let answer = try await http.send("POST", "/v1/api-keys", key: key, json: large)
      #expect(answer.status == 413 && answer.code == "content_too_large")
    }
  }
}
