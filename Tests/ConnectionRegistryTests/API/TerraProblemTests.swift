@testable import ConnectionRegistry
import Foundation
import NIOHTTP1
import TerraSandbox
import TestDatabase
import Testing

/// What Terra's answers become over HTTP: a status that says whose fault it is, and when to try again.
@Suite(.migratedDatabase) struct TerraProblemTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let answer: ScriptedAnswer
    let status: Int
    let code: String
    var retryAfter: String?
    var testDescription: String { code }
  }

  static let cases = [
    Case(
      answer: ScriptedAnswer(status: 403, body: #"{"status":"error","message":"User Limit Reached"}"#), status: 409,
      code: "terra_user_limit"),
    Case(
      answer: ScriptedAnswer(status: 429, headers: ["Retry-After": "3600"]), status: 503, code: "terra_rate_limited",
      retryAfter: "3600"),
    Case(
      answer: ScriptedAnswer(status: 200, body: "{}", delaySeconds: 4), status: 504, code: "terra_timed_out"),
    Case(
      answer: ScriptedAnswer(status: 500, contentType: "text/html", body: "<html>"), status: 502,
      code: "terra_unavailable"),
    Case(answer: ScriptedAnswer(status: 401), status: 502, code: "terra_credentials_refused"),
    Case(
      answer: ScriptedAnswer(status: 400, body: #"{"status":"error","message":"no"}"#), status: 400,
      code: "terra_request_refused"),
    Case(answer: ScriptedAnswer(status: 200), status: 502, code: "terra_answer_unusable"),
    Case(answer: ScriptedAnswer(status: 402), status: 502, code: "terra_refused"),
  ]

  @Test(arguments: cases)
  func eachAnswerHasItsStatus(_ item: Case) async throws {
    try await withHTTP(StageSettings(terraDeadline: .seconds(item.code == "terra_timed_out" ? 2 : 30))) { http in
      let key = try await http.key(.sessionsWrite)
      try await http.stage.sandbox.script(tenant: "acme", [item.answer])
      let answer = try await http.send(
        "POST", "/v1/sessions", key: key,
        json: #"{"resource":"FITBIT","success":"\#(Stage.returnURL)","failure":"\#(Stage.failureURL)"}"#)
      #expect(answer.status == item.status && answer.code == item.code, "\(answer.text)")
      #expect(answer.headers.first(name: "content-type") == "application/problem+json")
      #expect(answer.headers.first(name: "retry-after") == item.retryAfter)
      #expect(answer["status"] as? Int == item.status)
      #expect(!answer.text.contains("acme-api-key"))
      // The session says the same afterwards.
      let session = try #require(try await http.stage.registry.sessions.list(tenant: "acme").items.first)
      #expect(session.status == .failed && session.refusedCode == item.code)
    }
  }
}
