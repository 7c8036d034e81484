import Foundation
import TerraSandbox
import Testing

@Suite("A browser on the login page")
struct LoginPageTests {
  @Test("approves, comes back with Terra's claims, and Terra sends a signed webhook", arguments: AttemptKind.allCases)
  func approves(kind: AttemptKind) async throws {
    try await withStage { stage in
      let url = try await stage.begin(kind)
      let visit = try await SandboxBrowser.with(sandbox: stage.sandbox) { browser in
        try await browser.visit(url, picking: "OURA")
      }
      #expect(visit.decision == .approved)
      #expect(visit.finalURL == "https://app.example/devices")
      #expect(visit.arrivals.count == 1)
      await stage.sandbox.waitUntilIdle()
      let arrival = try #require(visit.arrivals.first)
      let claims = CallbackURL(arrival.url)
      #expect(claims.referenceID == "person-1")
      #expect(claims.resource == "OURA")
      let webhook = try #require(stage.registry.received.first)
      #expect(webhook.type == "auth")
      let connection = try #require(webhook.json["user"] as? [String: Any])
      #expect(connection["user_id"] as? String == claims.userID)
      if kind == .direct { #expect(visit.attempt.preissuedUserID == claims.userID) }
      #expect(webhook.json["widget_session_id"] as? String == visit.attempt.terraSessionID)
    }
  }
}
