@testable import ConnectionRegistry
import Foundation
import RegistryModel
import TerraSandbox
import TestDatabase
import Testing

/// What each of Terra's answers means to whoever opens a session.
@Suite(.migratedDatabase) struct TerraAnswerTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let answers: [ScriptedAnswer]
    let code: RegistryError.Code
    /// What the message tells the reader to do.
    let advice: String
    var resource: String? = "FITBIT"
    var mayRepeat = false
    var testDescription: String { name }
  }

  static func refusal(_ status: Int, _ message: String = "no") -> ScriptedAnswer {
    ScriptedAnswer(status: status, body: #"{"status":"error","message":"\#(message)"}"#)
  }

  static let cases = [
    Case(name: "400", answers: [refusal(400)], code: .terraRequestRefused, advice: "resource's spelling"),
    Case(name: "404", answers: [refusal(404)], code: .terraRequestRefused, advice: "resource's spelling"),
    Case(
      name: "401 problem", answers: [ScriptedAnswer(status: 401, contentType: "application/problem+json", body: "{}")],
      code: .terraCredentialsRefused, advice: "dev-id and Terra API key"),
    Case(name: "403", answers: [refusal(403)], code: .terraCredentialsRefused, advice: "dev-id and Terra API key"),
    Case(
      name: "user limit 403", answers: [refusal(403, "User Limit Reached")], code: .terraUserLimit,
      advice: "50 outside production"),
    Case(
      name: "user limit 429", answers: [refusal(429, "User limit reached")], code: .terraUserLimit,
      advice: "50 outside production"),
    Case(name: "410", answers: [refusal(410)], code: .terraEndpointRetired, advice: "newer endpoint", resource: nil),
    Case(
      name: "429", answers: [ScriptedAnswer(status: 429, headers: ["Retry-After": "3600"])], code: .terraRateLimited,
      advice: "later", mayRepeat: true),
    Case(
      name: "500 HTML of the widget", answers: [ScriptedAnswer(status: 500, contentType: "text/html", body: "<html>")],
      code: .terraNotSetUp, advice: "no provider is enabled", resource: nil, mayRepeat: true),
    Case(
      name: "500 HTML", answers: [ScriptedAnswer(status: 500, contentType: "text/html", body: "<html>")],
      code: .terraUnavailable, advice: "same Idempotency-Key", mayRepeat: true),
    Case(
      name: "503", answers: [ScriptedAnswer(status: 503)], code: .terraUnavailable, advice: "same Idempotency-Key",
      mayRepeat: true),
    Case(
      name: "redirect loop", answers: [ScriptedAnswer(status: 302, headers: ["Location": "/v2/auth/authenticateUser"])],
      code: .terraAnswerUnusable, advice: "URLs of Terra"),
    Case(
      name: "empty body", answers: [ScriptedAnswer(status: 200)], code: .terraAnswerUnusable, advice: "URLs of Terra"),
    Case(
      name: "404 of somebody else", answers: [ScriptedAnswer(status: 404, contentType: "text/html", body: "nginx")],
      code: .terraAnswerUnusable, advice: "URLs of Terra"),
    Case(
      name: "a URL that no browser may get",
      answers: [ScriptedAnswer(status: 200, body: #"{"user_id":"u","auth_url":"javascript:alert(1)"}"#)],
      code: .terraAnswerUnusable, advice: "URLs of Terra"),
    Case(name: "402", answers: [ScriptedAnswer(status: 402)], code: .terraRefused, advice: "Terra's status"),
    Case(
      name: "time-out", answers: [ScriptedAnswer(status: 200, body: "{}", delaySeconds: 4)], code: .terraTimedOut,
      advice: "same Idempotency-Key", mayRepeat: true),
  ]

  @Test(arguments: cases)
  func eachAnswerHasItsProblem(_ item: Case) async throws {
    try await withStage(StageSettings(terraDeadline: .seconds(2))) { stage in
      try await stage.sandbox.script(tenant: "acme", item.answers)
      let error = await expectError(item.code) { _ = try await stage.open(item.resource, key: "k") }
      #expect(error?.message.contains(item.advice) == true, "\(error?.message ?? "")")
      #expect(error?.message.contains("acme-api-key") == false)
      #expect(item.name != "429" || error?.retryAfter == .seconds(3_600))
      let session = try #require(try await stage.registry.sessions.list(tenant: "acme").items.first)
      #expect(session.status == .failed)
      #expect(session.refusedCode == item.code.description)
      // The same request again: Terra is asked where that may help, else the problem is the same.
      if item.mayRepeat {
        try await stage.sandbox.script(tenant: "acme", [])
        #expect(try await stage.open(item.resource, key: "k").session.sessionID == session.sessionID)
      } else {
        let asked = await stage.sandbox.calls(tenant: "acme").count
        let again = await expectError(item.code) { _ = try await stage.open(item.resource, key: "k") }
        #expect(again?.message == error?.message)
        #expect(await stage.sandbox.calls(tenant: "acme").count == asked)
      }
    }
  }

  /// Terra turned the call away, so it is made again within the deadline; a failure in the middle is not.
  @Test func onlyWhatTerraTurnedAwayIsAskedAgain() async throws {
    try await withStage { stage in
      let turnedAway = ScriptedAnswer(status: 429, headers: ["Retry-After": "0"])
      try await stage.sandbox.script(tenant: "acme", [turnedAway, turnedAway])
      #expect(try await stage.open("FITBIT").session.status == .open)
      #expect(await stage.sandbox.calls(tenant: "acme").count == 3)
      try await stage.sandbox.script(tenant: "acme", [ScriptedAnswer(status: 502)])
      await expectError(.terraUnavailable) { _ = try await stage.open("FITBIT") }
      #expect(await stage.sandbox.calls(tenant: "acme").count == 4)
    }
  }

  @Test func unreachableIsNobodysRequestsFault() async throws {
    try await withStage(StageSettings(terraIsReachable: false, terraDeadline: .seconds(2))) { stage in
      let error = await expectError(.terraUnavailable) { _ = try await stage.open("FITBIT") }
      #expect(error?.message.contains("not the request's fault") == true)
    }
  }

  @Test func theCapOfTestUsersIsAnErrorOfItsOwn() async throws {
    try await withStage { stage in
      try await stage.sandbox.update(tenant: "acme") { $0.userCap = 1 }
      _ = try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "r", resource: "OURA")
      for resource in ["FITBIT", nil] {
        await expectError(.terraUserLimit) { _ = try await stage.open(resource) }
      }
    }
  }
}
