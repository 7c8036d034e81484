@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import NIOHTTP1
import RegistryPostgres
import TerraSandbox
import TestDatabase
import Testing

/// Requests that name themselves with an `Idempotency-Key`.
@Suite(.migratedDatabase) struct IdempotencyTests {
  private static let body = #"{"name":"backend","scopes":["connections:read"]}"#

  private static func create(
    _ http: HTTPStage, _ key: String, under name: String?, json: String = body
  ) async throws -> HTTPStage.Answer {
    try await http.send(
      "POST", "/v1/api-keys", key: key, json: json, headers: name.map { [("Idempotency-Key", $0)] } ?? [])
  }

  private static func made(_ http: HTTPStage) async throws -> Int {
    Int(try await http.stage.texts("SELECT count(*)::text FROM registry.api_key WHERE name = 'backend'")[0]) ?? -1
  }

  @Test func aRepetitionGetsTheFirstAnswer() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      let first = try await Self.create(http, key, under: "k-1")
      let second = try await Self.create(http, key, under: "k-1")
      #expect(first.status == 201 && second.status == 201)
      #expect(first.body == second.body && first.text("secret") != nil)
      #expect(first.headers.first(name: "Location") == second.headers.first(name: "Location"))
      #expect(try await Self.made(http) == 1)
      // Without a name each acts.
      _ = try await Self.create(http, key, under: nil)
      _ = try await Self.create(http, key, under: nil)
      #expect(try await Self.made(http) == 3)
      // The answer shows a secret, so it is not kept in plain.
      let kept = try await http.stage.texts("SELECT encode(sealed_body, 'escape') FROM registry.idempotent_request")
      #expect(kept.count == 1 && !kept[0].contains("crk_"))
    }
  }

  @Test func anotherRequestUnderTheSameNameIsRefused() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      #expect(try await Self.create(http, key, under: "k-1").status == 201)
      let other = try await Self.create(
        http, key, under: "k-1", json: #"{"name":"backend","scopes":["connections:write"]}"#)
      #expect(other.status == 409 && other.code == "idempotency_conflict")
      #expect(try await Self.made(http) == 1)
      // Of another operation it is another name.
      for id in ["a", "b"] { try await http.stage.deliver(Payload.auth("u-\(id)", reference: id)) }
      let merge = try await http.send(
        "POST", "/v1/app-users/a/merge", key: key, json: #"{"into":"b"}"#, headers: [("Idempotency-Key", "k-1")])
      #expect(merge.status == 200)
      // Of the same operation at another path it is not.
      let elsewhere = try await http.send(
        "POST", "/v1/app-users/b/merge", key: key, json: #"{"into":"b"}"#, headers: [("Idempotency-Key", "k-1")])
      #expect(elsewhere.status == 409 && elsewhere.code == "idempotency_conflict")
    }
  }

  @Test func ofManyAtOnceOneActs() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      let answers = try await withThrowingTaskGroup(of: HTTPStage.Answer.self) { group in
        for _ in 1...16 { group.addTask { try await Self.create(http, key, under: "k-1") } }
        return try await group.reduce(into: [HTTPStage.Answer]()) { $0.append($1) }
      }
      let made = answers.filter { $0.status == 201 }
      #expect(!made.isEmpty && Set(made.map(\.body)).count == 1)
      for other in answers where other.status != 201 {
        #expect(other.status == 409 && other.code == "idempotency_in_progress", "\(other.text)")
      }
      #expect(try await Self.made(http) == 1)
      let later = try await Self.create(http, key, under: "k-1")
      #expect(later.status == 201 && later.body == made.first?.body)
    }
  }

  @Test func theNamesOfAnotherKeyAndOfAnotherTenantAreTheirOwn() async throws {
    var settings = StageSettings()
    settings.slugs = ["acme", "globex"]
    try await withHTTP(settings) { http in
      let keys = [
        try await http.key(.admin), try await http.key(.admin), try await http.key(.admin, tenant: "globex"),
      ]
      var secrets: Set<String> = []
      for key in keys {
        let answer = try await Self.create(http, key, under: "k-1")
        #expect(answer.status == 201)
        secrets.insert(answer.text("secret") ?? "")
      }
      #expect(secrets.count == 3)
    }
  }

  @Test func sessionsOfTwoKeysUnderOneNameAreTwo() async throws {
    try await withHTTP { http in
      let json =
        #"{"reference_id":"p","resource":"FITBIT","success":"\#(Stage.returnURL)","failure":"\#(Stage.failureURL)"}"#
      var sessions: [String] = []
      for key in [try await http.key(.sessionsWrite), try await http.key(.sessionsWrite)] {
        for _ in 1...2 {
          let opened = try await http.send(
            "POST", "/v1/sessions", key: key, json: json, headers: [("Idempotency-Key", "k-1")])
          #expect(opened.status == 201, "\(opened.text)")
          sessions.append(opened.text("session_id") ?? "none")
        }
      }
      #expect(sessions.count == 4 && sessions[0] == sessions[1] && sessions[2] == sessions[3])
      #expect(sessions[0] != sessions[2])
    }
  }

  @Test func whatWasRefusedMayBeCorrectedUnderTheSameName() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      let refused = try await Self.create(
        http, key, under: "k-1",
        json: #"{"name":"backend","scopes":["connections:read"],"expires_at":"2001-01-01T00:00:00Z"}"#)
      #expect(refused.status == 400 && refused.text("field") == "expires_at", "\(refused.text)")
      #expect(try await Self.create(http, key, under: "k-1").status == 201)
    }
  }

  @Test func aRequestWhoseProcessDiedMayBeMadeAnewAndAnAnswerIsKeptForADay() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      #expect(try await Self.create(http, key, under: "k-1").status == 201)
      // As a process leaves it that ends before it answers.
      try await http.stage.owner.execute("UPDATE registry.idempotent_request SET status = NULL, sealed_body = NULL")
      let early = try await Self.create(http, key, under: "k-1")
      #expect(early.status == 409 && early.code == "idempotency_in_progress")
      try await http.stage.owner.execute(
        "UPDATE registry.idempotent_request SET lease_until = now() - interval '1 second'")
      #expect(try await Self.create(http, key, under: "k-1").status == 201)
      #expect(try await Self.made(http) == 2)
      try await http.stage.owner.execute(
        "UPDATE registry.idempotent_request SET created_at = created_at - interval '24 hours 1 second'")
      #expect(try await Self.create(http, key, under: "k-2").status == 201)
      #expect(try await http.stage.count("idempotent_request") == 1)
      #expect(try await Self.create(http, key, under: "k-1").status == 201)
      #expect(try await Self.made(http) == 4)
    }
  }

  /// A receiver knows two secrets at most, so a retry after a lost answer must not make a third.
  @Test func aSecretThatIsRotatedThreeTimesUnderOneNameIsRotatedOnce() async throws {
    var settings = StageSettings()
    settings.environment = "testing"
    settings.deliveries = .forTests { $0.areSent = false }
    try await withHTTP(settings) { http in
      let key = try await http.key(.admin)
      let added = try await http.send("POST", "/v1/endpoints", key: key, json: #"{"url":"http://127.0.0.1:9/"}"#)
      let id = try #require(added.text("endpoint.endpoint_id"), "\(added.text)")
      var bodies: Set<Data> = []
      for _ in 1...3 {
        let rotated = try await http.send(
          "POST", "/v1/endpoints/\(id)/rotate-secret", key: key, headers: [("Idempotency-Key", "k-1")])
        #expect(rotated.status == 200, "\(rotated.text)")
        bodies.insert(rotated.body)
      }
      #expect(bodies.count == 1)
      // The secret that the receiver has goes on signing beside the new one.
      let first = try #require(added.text("secret"))
      let keyRing = http.stage.configuration.masterKeys
      let rows = try await http.stage.owner.execute("SELECT tenant_id, sealed_previous FROM registry.endpoint").rows
      let previous = try keyRing.open(
        rows[0].decode("sealed_previous", as: [UInt8].self), tenantID: rows[0].decode("tenant_id", as: UUID.self),
        purpose: .endpointSecret)
      #expect(String(decoding: previous, as: UTF8.self) == first)
    }
  }

  @Test func ofManySessionsAtOnceUnderOneNameOneAsksTerra() async throws {
    try await withHTTP { http in
      let key = try await http.key(.sessionsWrite)
      let json =
        #"{"reference_id":"p","resource":"FITBIT","success":"\#(Stage.returnURL)","failure":"\#(Stage.failureURL)"}"#
      @Sendable func open() async throws -> HTTPStage.Answer {
        try await http.send("POST", "/v1/sessions", key: key, json: json, headers: [("Idempotency-Key", "k-1")])
      }
      let answers = try await withThrowingTaskGroup(of: HTTPStage.Answer.self) { group in
        for _ in 1...8 { group.addTask { try await open() } }
        return try await group.reduce(into: [HTTPStage.Answer]()) { $0.append($1) }
      }
      let opened = answers.filter { $0.status == 201 }
      #expect(!opened.isEmpty && Set(opened.map(\.body)).count == 1)
      for other in answers where other.status != 201 {
        #expect(other.status == 409 && other.code == "idempotency_in_progress", "\(other.text)")
      }
      #expect(try await open().body == opened.first?.body)
      #expect(await http.stage.sandbox.ledger.records().count == 1)
      #expect(try await http.stage.count("connection") == 1)
      #expect(try await http.stage.count("idempotent_request") == 0)
    }
  }

  @Test func whatWasDoneIsNotDoneAgainWhereItsAnswerCouldNotBeKept() async throws {
    try await withHTTP { http in
      let key = try await http.key(.admin)
      try await http.stage.owner.execute(
        "ALTER TABLE registry.idempotent_request ADD CONSTRAINT test_keeps_nothing CHECK (status IS NULL)")
      #expect(try await Self.create(http, key, under: "k-1").status == 201)
      let again = try await Self.create(http, key, under: "k-1")
      #expect(again.status == 409 && again.code == "idempotency_in_progress", "\(again.text)")
      #expect(try await Self.made(http) == 1)
    }
  }

  @Test func whatTheTimeLimitBrokeOffIsNotDoneAgainBeforeItsLeaseEnds() async throws {
    var api = APISettings()
    api.timeLimit = .seconds(2)
    try await withHTTP(api: api) { http in
      let key = try await http.key(.admin)
      for id in ["a", "b"] { try await http.stage.deliver(Payload.auth("u-\(id)", reference: id)) }
      @Sendable func merge() async throws -> HTTPStage.Answer {
        try await http.send(
          "POST", "/v1/app-users/a/merge", key: key, json: #"{"into":"b"}"#, headers: [("Idempotency-Key", "k-1")])
      }
      try await http.stage.owner.withTransaction { transaction in
        _ = try await transaction.execute("LOCK TABLE registry.app_user_merge IN ACCESS EXCLUSIVE MODE")
        let late = try await merge()
        #expect(late.status == 503 && late.code == "timed_out", "\(late.text)")
      }
      let again = try await merge()
      #expect(again.status == 409 && again.code == "idempotency_in_progress", "\(again.text)")
      try await http.stage.owner.execute(
        "UPDATE registry.idempotent_request SET lease_until = now() - interval '1 second'")
      #expect(try await merge().status == 200)
    }
  }

  @Test(arguments: ["", "with space", "ü", String(repeating: "k", count: 256)])
  func whatIsNoNameIsRefused(_ name: String) async throws {
    try await withHTTP { http in
      let refused = try await Self.create(http, try await http.key(.admin), under: name)
      #expect(refused.status == 400 && refused.text("field") == "Idempotency-Key", "\(refused.text)")
      #expect(try await Self.made(http) == 0)
    }
  }
}
