@testable import ConnectionRegistry
import Foundation
import NIOHTTP1
import TestDatabase
import Testing

/// Who is shown where an open session's browser is to be sent.
@Suite(.migratedDatabase) struct AuthURLTests {
  /// Whoever holds the URL can connect in the app user's place, so a key that only reads must not get it.
  @Test func onlyAKeyThatMayOpenSessionsIsShownTheURLOfOne() async throws {
    try await withHTTP { http in
      let session = try await http.stage.open("FITBIT").session
      let url = try #require(session.authURL)
      let user = try #require(session.userID)
      let reader = try await http.key(.connectionsRead)
      let opener = try await http.key(.connectionsRead, .sessionsWrite)
      for path in [
        "/v1/sessions", "/v1/sessions/\(session.sessionID.text)", "/v1/connections/\(user)", "/v1/app-users/person-1",
      ] {
        let read = try await http.send("GET", path, key: reader)
        #expect(read.status == 200 && read.text.contains(session.sessionID.text), "\(path): \(read.text)")
        #expect(!read.text.contains("auth_url") && !read.text.contains(url), "\(path)")
        let opened = try await http.send("GET", path, key: opener)
        #expect(opened.status == 200 && opened.text.contains(url), "\(path)")
      }
    }
  }

  @Test func aReadersTagServesItsOwnChange() async throws {
    try await withHTTP { http in
      _ = try await http.stage.open("FITBIT")
      let key = try await http.key(.connectionsRead, .connectionsWrite)
      let read = try await http.send("GET", "/v1/app-users/person-1", key: key)
      let tag = try #require(read.headers.first(name: "ETag"))
      let changed = try await http.send(
        "PATCH", "/v1/app-users/person-1", key: key, json: #"{"tags":{"plan":"gold"}}"#, headers: [("If-Match", tag)])
      #expect(changed.status == 200, "\(changed.text)")
    }
  }
}
