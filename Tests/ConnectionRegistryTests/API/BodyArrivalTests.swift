@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import NIOCore
import TestDatabase
import Testing

/// Bodies that come slowly, or that nobody reads.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct BodyArrivalTests {
  /// Sends a request of which the head comes at once and then a piece every 50 ms, until the connection is closed.
  private static func trickle(
    _ line: String, headers: [String] = [], piece: String = " ", pieces: Int = .max, length: Int = 1 << 20,
    to http: HTTPStage
  ) async throws -> String {
    let head = ["\(line) HTTP/1.1", "Host: localhost", "Content-Length: \(length)"] + headers
    let stream = AsyncThrowingStream.trickling(
      head.joined(separator: "\r\n") + "\r\n\r\n", then: piece, pieces: pieces)
    return try await http.sendRaw(stream)
  }

  @Test(arguments: [
    "POST /webhooks/terra/acme", "POST /webhooks/terra/nobody", "POST /terra/v2/auth/generateWidgetSession",
    "POST /v1/sessions",
  ])
  func aBodyThatTricklesIsAnswered408(_ line: String) async throws {
    var limits = BodyArrivalLimits()
    (limits.grace, limits.linger) = (.milliseconds(400), .milliseconds(200))
    try await withHTTP(arrival: limits) { http in
      let key = try await http.key(.admin)
      let began = ContinuousClock.now
      let answer = try await Self.trickle(
        line, headers: ["Authorization: Bearer \(key)", "x-api-key: \(key)", "dev-id: acme-dev-id"], to: http)
      #expect(answer.hasPrefix("HTTP/1.1 408 ") && answer.contains("body_timed_out"), "\(answer)")
      #expect(answer.lowercased().contains("connection: close"))
      #expect(ContinuousClock.now - began < .seconds(20))
      #expect(try await http.send("GET", "/healthz").status == 200)
    }
  }

  @Test(arguments: [
    ("POST /nothing", 404), ("GET /healthz", 200), ("GET /readyz", 200), ("POST /v1/sessions", 401),
    ("PUT /v1/sessions", 405), ("POST /terra/v2/auth/generateWidgetSession", 401), ("POST /terra/v2/daily", 404),
    ("GET /callbacks/terra/acme/token/success", 404), ("GET /connect/acme/token", 404), ("POST /openapi.json", 404),
  ])
  func anAnswerBeforeTheEndOfTheBodyClosesTheConnection(_ line: String, _ status: Int) async throws {
    var limits = BodyArrivalLimits()
    // Only the answer can be what ends it.
    (limits.grace, limits.linger) = (.seconds(3_600), .milliseconds(200))
    try await withHTTP(arrival: limits, idleTimeout: .seconds(3_600)) { http in
      let began = ContinuousClock.now
      let answer = try await Self.trickle(line, to: http)
      #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
      #expect(answer.lowercased().contains("connection: close"), "\(answer)")
      #expect(ContinuousClock.now - began < .seconds(20))
    }
  }

  @Test func aBodyThatIsQuickEnoughMayTakeLongerThanTheGrace() async throws {
    var limits = BodyArrivalLimits()
    (limits.grace, limits.bytesPerSecond) = (.milliseconds(300), 500)
    try await withHTTP(arrival: limits) { http in
      let piece = String(repeating: "x", count: 1_000)
      let answer = try await Self.trickle(
        "POST /webhooks/terra/acme", headers: ["Connection: close"], piece: piece, pieces: 20, length: 20_000, to: http)
      #expect(answer.hasPrefix("HTTP/1.1 401 "), "\(answer)")
    }
  }

  @Test func aWholeBodyLeavesTheConnectionOpen() async throws {
    try await withHTTP { http in
      let post = "POST /webhooks/terra/acme HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
      let answers = try await http.sendRaw(
        post + post + "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      #expect(answers.components(separatedBy: "HTTP/1.1 401 ").count == 3, "\(answers)")
      #expect(answers.components(separatedBy: "HTTP/1.1 200 ").count == 2, "\(answers)")
    }
  }

  /// The client goes on sending while it is answered, and still reads the whole answer.
  @Test func anAnswerToABodyThatIsTooLargeArrives() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      let body = String(repeating: "x", count: 3 << 20)
      let gateway = try await http.sendRaw(
        """
        POST /terra/v2/auth/generateWidgetSession HTTP/1.1\r\nHost: x\r\nx-api-key: \(key)\r\ndev-id: acme-dev-id\r
        Content-Length: \(body.utf8.count)\r\n\r\n\(body)
        """)
      #expect(gateway.hasPrefix("HTTP/1.1 413 ") && gateway.contains("content_too_large"), "\(gateway)")
      #expect(gateway.contains(#""status":"error""#))
    }
  }
}
