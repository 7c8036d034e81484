@testable import ConnectionRegistry
import Foundation
import NIOHTTP1
import TerraSandbox
import TestDatabase
import Testing

/// Apps' own URLs, from the session to where the browser ends.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct DeepLinkTests {
  private static let settings: StageSettings = {
    var settings = StageSettings()
    settings.returnURLs += ["myapp:connected", "myapp:failed", "com.acme.app://Devices/Added"]
    return settings
  }()

  private static func returned(_ http: HTTPStage, to path: String) async throws -> String {
    let answer = try await http.send("GET", path)
    #expect(answer.status == 303, "\(answer.text)")
    return answer.headers.first(name: "Location") ?? ""
  }

  @Test(arguments: [
    "myapp:connected", "myapp:connected?u=https://x.example/y", "com.acme.app://Devices/Added",
    "com.acme.app://Devices/Added?next=myapp://Other",
  ])
  func aDeepLinkComesBackAsItWasGiven(_ link: String) async throws {
    try await withHTTP(Self.settings) { http in
      let opened = try await http.stage.open("FITBIT", success: link, failure: "myapp:failed")
      let user = try #require(opened.session.userID)
      let location = try await Self.returned(
        http, to: "/callbacks/terra/acme/\(opened.token)/success?user_id=\(user)&resource=FITBIT")
      let mark = link.contains("?") ? "&" : "?"
      #expect(
        location == link + mark + "user_id=\(user)&resource=FITBIT&session_id=\(opened.id.text)&verdict=unverified")
    }
  }

  @Test(arguments: ["myapp:connected?u=https://x.example/y", "com.acme.app://Devices/Added?a=B"])
  func aDeepLinkComesBackThroughTheGatewayAsItWasGiven(_ link: String) async throws {
    try await withHTTP(Self.settings) { http in
      let key = try await http.key(.sessionsWrite)
      let answer = try await http.send(
        "POST", "/terra/v2/auth/authenticateUser?resource=FITBIT",
        json: #"{"reference_id":"p","auth_success_redirect_url":"\#(link)"}"#,
        headers: [("x-api-key", key), ("dev-id", "acme-dev-id")])
      #expect(answer.status == 200, "\(answer.text)")
      let session = try #require(try await http.stage.registry.sessions.list(tenant: "acme").items.first)
      #expect(session.returnSuccess == link)
      var sent: String?
      for case .attempt(let attempt) in await http.stage.sandbox.ledger.records() { sent = attempt.successURL }
      let (url, user) = (try #require(sent), try #require(session.userID))
      let path = try #require(URLComponents(string: url)).path
      let location = try await Self.returned(http, to: "\(path)?user_id=\(user)")
      #expect(location.hasPrefix(link + "&user_id="), "\(location)")
    }
  }
}
