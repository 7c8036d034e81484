import Foundation
import HTTPTypes
import TerraSandbox
import Testing

@Suite("The redirect")
struct RedirectTests {
  /// Goes through an attempt of which everything but the URLs is usual, and returns where the login page sent on to.
  private func location(
    _ stage: Stage, json: String, form: String, slug: String = "acme"
  ) async throws -> String {
    let reply = try await stage.call(.post, "/api/widget/session", slug: slug, json: json)
    let url = try #require(reply.body.object["url"] as? String)
    let page = try await stage.load(url)
    #expect(page.status == 200)
    #expect(page.text.contains("<form method=\"post\">") && page.text.contains("value=\"approve\""))
    return try #require(try await stage.load(url, form: form).location)
  }

  @Test("keeps the application's own query and fragment, and writes a missing reference_id as null")
  func ownQuery() async throws {
    try await withStage { stage in
      let url = "https://app.example/cb?sid=T%2F1&x=#top"
      let location = try await self.location(
        stage, json: #"{"auth_success_redirect_url":"\#(url)"}"#, form: "decision=approve&resource=OURA")
      #expect(location.hasPrefix("https://app.example/cb?sid=T%2F1&x=&"))
      #expect(location.hasSuffix("#top"))
      #expect(location.contains("reference_id=null"))
      #expect(location.contains("resource=OURA"))
    }
  }

  @Test("encodes what a reference_id may hold")
  func encoding() async throws {
    try await withStage { stage in
      let location = try await self.location(
        stage, json: #"{"reference_id":"a+b@x.com/é &","auth_success_redirect_url":"https://app.example/cb"}"#,
        form: "decision=approve&resource=OURA")
      #expect(location.contains("reference_id=a%2Bb%40x.com%2F%C3%A9%20%26"))
      #expect(CallbackURL(location).referenceID == "a+b@x.com/é &")
    }
  }

  @Test("varies the order of its parameters and the form of a null user_id")
  func variety() async throws {
    try await withStage { stage in
      var orders: Set<String> = []
      var forms: Set<String> = []
      for number in 1...24 {
        let json = #"{"reference_id":"r\#(number)","auth_success_redirect_url":"https://app.example/cb"}"#
        let approved = try await self.location(stage, json: json, form: "decision=approve&resource=OURA")
        let query = try #require(URLComponents(string: approved)?.queryItems)
        orders.insert(query.map(\.name).joined(separator: " "))
        let mobile = try await self.location(stage, json: json, form: "decision=approve&resource=APPLE")
        let claims = try #require(URLComponents(string: mobile)?.queryItems)
        forms.insert(claims.first { $0.name == "user_id" }?.value ?? "absent")
        #expect(CallbackURL(mobile).userID == nil)
        #expect(CallbackURL(mobile).resource == "APPLE")
      }
      #expect(orders.count >= 3)
      #expect(forms == ["null", "", "absent"])
    }
  }

  @Test("goes to the failure URL with a reason when the person refuses")
  func denial() async throws {
    try await withStage { stage in
      let location = try await self.location(
        stage, json: #"{"reference_id":"r","auth_failure_redirect_url":"https://app.example/no?a=b"}"#,
        form: "decision=deny&resource=GARMIN")
      #expect(location.hasPrefix("https://app.example/no?a=b&"))
      #expect(location.contains("reason="))
      #expect(CallbackURL(location).userID != nil)
    }
  }

  @Test("stays on Terra's page where no URL was given")
  func ownPage() async throws {
    try await withStage { stage in
      let location = try await self.location(stage, json: "{}", form: "decision=approve&resource=OURA")
      #expect(location.contains("/session/demo/success?"))
      #expect(try await stage.load(location).status == 200)
    }
  }

  @Test("comes after the last of several providers where the session is for several")
  func multiAuth() async throws {
    try await withStage { stage in
      let json = #"{"reference_id":"r","multi_auth":true,"auth_success_redirect_url":"https://app.example/cb"}"#
      let reply = try await stage.call(.post, "/api/widget/session", json: json)
      let url = try #require(reply.body.object["url"] as? String)
      for resource in ["OURA", "GARMIN"] {
        let answer = try await stage.load(url, form: "decision=approve&resource=\(resource)")
        #expect(answer.status == 303)
      }
      #expect(try await stage.load(url).text.contains("Connected so far: 2"))
      let location = try #require(try await stage.load(url, form: "decision=finish").location)
      #expect(location.hasPrefix("https://app.example/cb?"))
      await stage.sandbox.waitUntilIdle()
      let sessions = Set(stage.registry.received.map { $0.json["widget_session_id"] as? String })
      #expect(stage.registry.received.count == 2)
      #expect(sessions.count == 1)
    }
  }

  @Test("is refused for a page that is unknown, decided or misused")
  func misuse() async throws {
    try await withStage { stage in
      let base = stage.base
      #expect(try await stage.load(base + "/session/nothing").status == 404)
      #expect(try await stage.load(base + "/login/nothing", form: "decision=approve").status == 404)
      let url = try await stage.begin(.widget)
      #expect(try await stage.load(url, form: "decision=maybe").status == 400)
      #expect(try await stage.load(url, form: "decision=approve&resource=NOPE").status == 400)
      #expect(try await stage.load(url, form: "decision=deny").status == 302)
      #expect(try await stage.load(url, form: "decision=approve&resource=OURA").status == 409)
      #expect(try await stage.load(url).status == 409)
    }
  }

  @Test("is refused for a page that has expired")
  func expired() async throws {
    let clock = JumpingClock()
    try await withStage(clock: clock) { stage in
      let url = try await stage.begin(.direct)
      try await clock.wait(seconds: 901)
      #expect(try await stage.load(url).status == 410)
      #expect(try await stage.load(url, form: "decision=approve").status == 410)
    }
  }
}
