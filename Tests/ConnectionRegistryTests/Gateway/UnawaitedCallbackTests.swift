@testable import ConnectionRegistry
import Foundation
import RegistryModel
import TerraSandbox
import TestDatabase
import Testing

/// Sessions that no browser comes back from to us: nobody waits for its callback.
@Suite(.migratedDatabase) struct UnawaitedCallbackTests {
  private static func ask(_ http: HTTPStage, _ key: String, _ path: String, _ json: String) async throws {
    let answer = try await http.send(
      "POST", path, json: json, headers: [("x-api-key", key), ("dev-id", "acme-dev-id")])
    #expect([200, 201].contains(answer.status), "\(answer.text)")
  }

  @Test func anAcceptedSuccessWithoutARedirectIsNoFinding() async throws {
    try await withHTTP { http in
      let (stage, sessions) = (http.stage, http.stage.registry.sessions)
      let key = try await http.key(.sessionsWrite)
      try await Self.ask(http, key, "/terra/v2/auth/authenticateUser?resource=FITBIT", #"{"reference_id":"direct"}"#)
      try await Self.ask(http, key, "/terra/v2/auth/generateWidgetSession", #"{"reference_id":"widget"}"#)
      try await Self.ask(http, key, "/terra/v2/auth/generateAuthToken", "")
      let opened = try await sessions.list(tenant: "acme").items
      #expect(opened.map(\.kind) == [.direct, .widget, .mobile])
      #expect(opened.map(\.channel) == [.gateway, .gateway, .gateway])
      #expect(opened[1].terraSessionID != nil)
      #expect(opened.allSatisfy { $0.returnSuccess == nil && $0.returnFailure == nil })

      let own = try await sessions.open(tenant: "acme", NewAuthSession(kind: .mobile, referenceID: "phone"))
      #expect(own.kind == .mobile && own.channel == .api)
      // One that is waited for: the rest of this test would see nothing either, were nothing looked at.
      let awaited = try await stage.open("GARMIN", reference: "awaited")
      #expect(awaited.session.channel == .api)

      let succeeded = [
        Payload.auth(try #require(opened[0].userID), reference: "direct"),
        Payload.auth("w1", reference: "widget", widgetSession: opened[1].terraSessionID),
        Payload.auth("m1", reference: "phone", resource: "APPLE"),
        Payload.auth(try #require(awaited.session.userID), reference: "awaited", resource: "GARMIN"),
      ]
      for event in succeeded { try await stage.expect(event, .accepted) }
      try await stage.letPass(seconds: 100_000)
      _ = try await stage.registry.reconciliations.run(tenant: "acme")
      let findings = try await stage.registry.findings.list(tenant: "acme").items
      #expect(findings.map(\.kind) == [.eventWithoutCallback], "\(findings.map(\.kind))")
      #expect(findings.first?.subject.id == awaited.id.text)
      let statuses = try await sessions.list(tenant: "acme").items.map(\.status)
      #expect(statuses == [.completed, .completed, .expired, .expired, .completed])
    }
  }

  /// Where only one of the two URLs was given, the one that would show the success is missing.
  @Test func aRedirectForFailuresAloneIsNotWaitedForAfterASuccess() async throws {
    try await withHTTP { http in
      let stage = http.stage
      let key = try await http.key(.sessionsWrite)
      try await Self.ask(
        http, key, "/terra/v2/auth/authenticateUser?resource=FITBIT",
        #"{"reference_id":"p","auth_failure_redirect_url":"\#(Stage.failureURL)"}"#)
      let session = try #require(try await stage.registry.sessions.list(tenant: "acme").items.first)
      #expect(session.returnSuccess == nil && session.returnFailure == Stage.failureURL)
      try await stage.expect(Payload.auth(try #require(session.userID), reference: "p"), .accepted)
      try await stage.letPass(seconds: 100_000)
      let run = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(run.foundNew == 0)
    }
  }

  @Test func theAPISaysHowASessionWasBegun() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      try await Self.ask(http, key, "/terra/v2/auth/generateAuthToken", "")
      let phone = try await http.send("POST", "/v1/sessions", key: key, json: #"{"kind":"mobile"}"#)
      #expect(phone.status == 201 && phone.text("kind") == "mobile" && phone.text("channel") == "api")
      let listed = try await http.items("/v1/sessions", key: key)
      #expect(listed.map { $0["kind"] as? String } == ["mobile", "mobile"])
      #expect(listed.map { $0["channel"] as? String } == ["gateway", "api"])
      #expect(listed.allSatisfy { $0["token"] == nil }, "a token is shown again")
    }
  }
}
