import AsyncHTTPClient
@testable import ConnectionRegistry
import Foundation
import NIOCore
import NIOHTTP1
import RegistryModel
import TerraSandbox
import TestDatabase
import Testing

/// What a session is asked for reaches Terra, and what Terra makes of it comes back.
@Suite(.migratedDatabase) struct SessionRequestTests {
  /// The last call that Terra got, with its body.
  private static func last(_ stage: Stage) async throws -> (call: ReceivedCall, body: [String: Any]) {
    let call = try #require(await stage.sandbox.calls(tenant: "acme").last)
    let body = try JSONSerialization.jsonObject(with: Data(call.body.utf8)) as? [String: Any]
    return (call, try #require(body, "\(call.body)"))
  }

  // On a busy machine a connection may take its time.
  private static let client = HTTPClient(
    eventLoopGroupProvider: .singleton,
    configuration: .init(redirectConfiguration: .disallow, timeout: .init(connect: .minutes(5))))

  private static let widget = NewAuthSession(
    referenceID: "person-1", success: Stage.returnURL, failure: Stage.failureURL, language: "zh_cn",
    providers: ["garmin", "OURA"], multiAuth: true)

  @Test(arguments: [true, false])
  func aWidgetIsAskedForInItsLanguageWithItsProviders(legacy: Bool) async throws {
    try await withStage(StageSettings(generation: legacy ? .legacy : .access, legacyWidget: legacy)) { stage in
      let session = try await stage.registry.sessions.open(tenant: "acme", Self.widget)
      #expect(session.multiAuth && session.kind == .widget)
      let (call, body) = try await Self.last(stage)
      #expect(call.path == (legacy ? "/v2/auth/generateWidgetSession" : "/api/widget/session"))
      #expect(body["language"] as? String == "zh_cn")
      #expect(body["providers"] as? String == "GARMIN,OURA")
      #expect(body["multi_auth"] as? Bool == true)
      #expect(body["reference_id"] as? String == "person-1")
      let page = try #require(session.authURL)
      let attempt = try #require(await stage.sandbox.attempt(loginURL: page))
      #expect(attempt.providers == ["GARMIN", "OURA"] && attempt.isMultiAuth)
    }
  }

  /// What is not asked for is not sent: Terra has defaults of its own.
  @Test func whatIsNotAskedForIsLeftOut() async throws {
    try await withStage { stage in
      _ = try await stage.open()
      let widget = try await Self.last(stage).body
      #expect(widget.keys.sorted() == ["auth_failure_redirect_url", "auth_success_redirect_url", "reference_id"])
      _ = try await stage.open("FITBIT")
      let direct = try await Self.last(stage).body
      #expect(direct.keys.sorted() == ["auth_failure_redirect_url", "auth_success_redirect_url", "reference_id"])
    }
  }

  @Test func aDirectSessionHasItsLanguageToo() async throws {
    try await withStage { stage in
      _ = try await stage.registry.sessions.open(
        tenant: "acme",
        NewAuthSession(resource: "fitbit", success: Stage.returnURL, failure: Stage.failureURL, language: "fr"))
      let (call, body) = try await Self.last(stage)
      #expect(call.path == "/v2/auth/authenticateUser" && call.query == "resource=FITBIT")
      #expect(body["language"] as? String == "fr")
      #expect(body["multi_auth"] == nil && body["providers"] == nil && body["reference_id"] == nil)
    }
  }

  @Test func theAPIPassesOnWhatTheLibraryDoes() async throws {
    try await withHTTP { http in
      let key = try await http.key(.sessionsWrite)
      let opened = try await http.send(
        "POST", "/v1/sessions", key: key,
        json: """
          {"reference_id":"person-1","success":"\(Stage.returnURL)","failure":"\(Stage.failureURL)",\
          "language":"zh_cn","providers":["garmin","OURA"],"multi_auth":true}
          """)
      #expect(opened.status == 201, "\(opened.text)")
      #expect(opened["multi_auth"] as? Bool == true)
      let body = try await Self.last(http.stage).body
      #expect(body["language"] as? String == "zh_cn" && body["providers"] as? String == "GARMIN,OURA")
      #expect(body["multi_auth"] as? Bool == true && body["reference_id"] as? String == "person-1")
    }
  }

  /// Two providers in one widget, by Terra's page and Terra's own webhooks: one session, two connections, no finding.
  @Test(arguments: SandboxGeneration.allCases)
  func severalConnectionsComeOfOneSession(_ generation: SandboxGeneration) async throws {
    try await withHTTP(StageSettings(generation: generation, legacyWidget: generation == .legacy)) { http in
      let stage = http.stage
      try await stage.sandbox.update(tenant: "acme") {
        $0.webhookURL = "http://127.0.0.1:\(http.port)/webhooks/terra/acme"
      }
      let session = try await stage.registry.sessions.open(tenant: "acme", Self.widget)
      let page = try #require(session.authURL)
      func decide(_ form: String) async throws -> String {
        var request = HTTPClientRequest(url: page)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
        request.body = .bytes(ByteBuffer(string: form))
        let answer = try await Self.client.execute(request, timeout: .minutes(5))
        return try #require(answer.headers.first(name: "location"))
      }
      for resource in ["GARMIN", "OURA"] {
        let location = try await decide("decision=approve&resource=\(resource)")
        #expect(location.hasPrefix("/session/"), "the widget is not shown again")
      }
      let location = try await decide("decision=finish")
      try #require(location.hasPrefix(Stage.publicURL + "/callbacks/"), "\(location)")
      let back = try await http.send("GET", String(location.dropFirst(Stage.publicURL.count)))
      #expect(back.status == 303)
      let target = try #require(back.headers.first(name: "location"))
      #expect(target.hasPrefix(Stage.returnURL + "?") && target.contains("user_id="), "\(target)")
      await stage.sandbox.waitUntilIdle()

      #expect(try await stage.registry.sessions.show(tenant: "acme", session.sessionID).status == .completed)
      let connections = try await stage.registry.connections.list(tenant: "acme").items
      #expect(connections.compactMap(\.resource).sorted() == ["GARMIN", "OURA"])
      for connection in connections {
        #expect(connection.status == .active && connection.referenceID == "person-1")
        let detail = try await stage.registry.connections.show(tenant: "acme", connection.userID)
        #expect(detail.sessions.map(\.sessionID) == [session.sessionID])
      }
      try await stage.letPass(seconds: 100_000)
      let run = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(run.foundNew == 0)
      let verdicts = try await stage.registry.callbacks.list(tenant: "acme").items.map(\.verdict)
      #expect(verdicts == [.corroborated])
    }
  }
}
