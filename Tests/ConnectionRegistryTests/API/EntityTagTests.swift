@testable import ConnectionRegistry
import Foundation
import NIOHTTP1
import TestDatabase
import Testing

/// `ETag`, `If-None-Match` and `If-Match` of single objects, over HTTP.
@Suite(.migratedDatabase) struct EntityTagTests {
  /// A stage whose tenant may have endpoints on this machine, to which nothing is sent.
  private static var settings: StageSettings {
    var settings = StageSettings()
    settings.environment = "testing"
    settings.deliveries = .forTests { $0.areSent = false }
    return settings
  }

  @Test func anObjectThatIsAsBeforeIsNotSentAgain() async throws {
    try await withHTTP(Self.settings) { http in
      let endpoint = try await http.stage.registry.endpoints.add(
        tenant: "acme", NewEndpoint(url: "http://127.0.0.1:9/")
      ).endpoint.endpointID
      let delivery = try await http.stage.registry.endpoints.ping(tenant: "acme", endpoint).deliveryID
      try await http.stage.deliver(Payload.auth("u-1"))
      let session = try await http.stage.open("GARMIN")
      try await http.stage.visit(session.token, "user_id=x&reference_id=person-1&resource=GARMIN")
      try await http.stage.visit("AAAAAAAAAAAAAAAAAAAAAA", "user_id=y")
      let run = try await http.stage.registry.reconciliations.run(tenant: "acme")
      let key = try await http.stage.registry.keys.create(tenant: "acme", name: "tests", scopes: [.admin])
      let event = try #require(try await http.stage.registry.events.list(tenant: "acme").items.first)
      let callback = try #require(try await http.stage.registry.callbacks.list(tenant: "acme").items.first)
      let finding = try #require(try await http.stage.registry.findings.list(tenant: "acme").items.first)
      // Read once before, because to be used changes a key.
      _ = try await http.send("GET", "/v1/connections", key: key.secret)
      for path in [
        "/v1/connections/u-1", "/v1/app-users/person-1", "/v1/events/\(event.eventID.text)",
        "/v1/callbacks/\(callback.callbackID.text)", "/v1/reconciliations/\(run.runID.text)",
        "/v1/findings/\(finding.id.text)", "/v1/api-keys/\(key.key.keyID.text)", "/v1/sessions/\(session.id.text)",
        "/v1/endpoints/\(endpoint.text)", "/v1/deliveries/\(delivery.text)",
      ] {
        let first = try await http.send("GET", path, key: key.secret)
        #expect(first.status == 200, "\(path): \(first.text)")
        let tag = try #require(first.headers.first(name: "ETag"), "\(path)")
        for known in [tag, "W/\(tag)", #""other", \#(tag)"#, "*"] {
          let again = try await http.send("GET", path, key: key.secret, headers: [("If-None-Match", known)])
          #expect(again.status == 304 && again.body.isEmpty, "\(path) \(known): \(again.status)")
          #expect(again.headers.first(name: "ETag") == tag)
        }
        let other = try await http.send("GET", path, key: key.secret, headers: [("If-None-Match", #""other""#)])
        #expect(other.status == 200 && other.headers.first(name: "ETag") == tag, "\(path)")
      }
    }
  }

  @Test func anObjectThatHasChangedIsSent() async throws {
    try await withHTTP { http in
      try await http.stage.deliver(Payload.auth("u-1"))
      let key = try await http.key(.connectionsRead)
      let first = try await http.send("GET", "/v1/connections/u-1", key: key)
      let tag = try #require(first.headers.first(name: "ETag"))
      try await http.stage.deliver(Payload.deauth("u-1"))
      let later = try await http.send("GET", "/v1/connections/u-1", key: key, headers: [("If-None-Match", tag)])
      #expect(later.status == 200 && later.headers.first(name: "ETag") != tag)
      #expect(later.text("connection.status") == "deauthenticated")
    }
  }

  @Test func anEndpointIsChangedOnlyWhileItIsAsItWasRead() async throws {
    try await withHTTP(Self.settings) { http in
      let key = try await http.key(.admin)
      let added = try await http.send("POST", "/v1/endpoints", key: key, json: #"{"url":"http://127.0.0.1:9/"}"#)
      let path = "/v1/endpoints/\(try #require(added.text("endpoint.endpoint_id")))"
      let read = try await http.send("GET", path, key: key)
      let tag = try #require(read.headers.first(name: "ETag"))
      @Sendable func change(_ description: String, _ known: String) async throws -> HTTPStage.Answer {
        try await http.send(
          "PATCH", path, key: key, json: #"{"description":"\#(description)"}"#, headers: [("If-Match", known)])
      }
      let first = try await change("first", tag)
      #expect(first.status == 200 && first.text("description") == "first", "\(first.text)")
      let late = try await change("second", tag)
      #expect(late.status == 412 && late.code == "precondition_failed", "\(late.text)")
      // The answer's own tag names what a reader gets, and of many at once with it one changes the endpoint.
      let newer = try #require(first.headers.first(name: "ETag"))
      #expect(try await http.send("GET", path, key: key).headers.first(name: "ETag") == newer)
      let answers = try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 1...6 { group.addTask { try await change("at once \(number)", newer).status } }
        return try await group.reduce(into: [Int]()) { $0.append($1) }
      }
      #expect(answers.filter { $0 == 200 }.count == 1 && answers.filter { $0 == 412 }.count == 5, "\(answers)")
      #expect(try await change("whatever it is", "*").status == 200)
    }
  }

  @Test func aTagOfAnotherTenantOpensNothing() async throws {
    var settings = StageSettings()
    settings.slugs = ["acme", "globex"]
    try await withHTTP(settings) { http in
      try await http.stage.deliver(Payload.auth("u-1"))
      let own = try await http.send("GET", "/v1/connections/u-1", key: try await http.key(.connectionsRead))
      let tag = try #require(own.headers.first(name: "ETag"))
      let other = try await http.key(.connectionsRead, tenant: "globex")
      for known in [tag, "*"] {
        let answer = try await http.send("GET", "/v1/connections/u-1", key: other, headers: [("If-None-Match", known)])
        #expect(answer.status == 404)
      }
    }
  }
}
