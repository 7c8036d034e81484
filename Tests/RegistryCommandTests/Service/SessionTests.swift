import Foundation
import TerraSandbox
import Testing

/// `/v1` over real HTTP, with Terra's stand-in behind it.
@Suite(.timeLimit(.minutes(20))) struct SessionTests {
  private static func body(_ changes: [String: Any?] = [:]) throws -> String {
    var members: [String: Any] = [
      "reference_id": "person-1", "resource": "GARMIN", "success": "https://app.acme.io/devices/done",
      "failure": "https://app.acme.io/devices/error",
    ]
    for (name, value) in changes { members[name] = value }
    return String(decoding: try JSONSerialization.data(withJSONObject: members), as: UTF8.self)
  }

  @Test func opensASessionThatABrowserGoesThrough() async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      let key = try await deployment.key()
      try await deployment.serve { service in
        let opened = try await service.api("POST", "/v1/sessions", key: key, json: try Self.body())
        #expect(opened.status == 201, "\(opened.body)")
        let session = try #require(opened.member("session_id"))
        #expect(opened.headers["location"] == "/v1/sessions/\(session)")
        let loginURL = try #require(opened.member("auth_url"))
        let visit = try await SandboxBrowser.with(sandbox: sandbox) { browser in
          try await browser.visit(loginURL, decision: .approve)
        }
        let arrival = try #require(visit.arrivals.first)
        #expect(arrival.status == 303)
        let location = try #require(arrival.location)
        #expect(location.hasPrefix("https://app.acme.io/devices/done?"))
        #expect(location.contains("session_id=\(session)"))

        let user = try #require(opened.member("user_id"))
        let webhook = SignedWebhook(
          SignedWebhook.success(userID: user, referenceID: "person-1"), secret: Deployment.secret)
        #expect(try await service.deliver(webhook).member("disposition") == "accepted")
        let shown = try await service.api("GET", "/v1/sessions/\(session)", key: key)
        #expect(shown.member("status") == "completed", "\(shown.body)")
        let person = try await service.api("GET", "/v1/app-users/person-1", key: key)
        #expect(person.body.contains(#""status":"active""#))

        // The token stands in the path, the reference_id in another: neither may stand in a log.
        let token = try #require(arrival.url.split(separator: "/").dropLast().last.map(String.init))
        #expect(!service.log().contains(token))
        #expect(!service.log().contains("person-1"))
        #expect(service.log().contains("/callbacks/terra/{tenant}/{attempt}/success"))
      }
      let callbacks = try await deployment.items(["callback", "list"])
      #expect(callbacks.first?["verdict"] as? String == "corroborated")
    }
  }

  @Test func givesARepetitionTheSameSession() async throws {
    try await TerraStandIn.with { _, terra in
      let deployment = try await Deployment.make(terra: terra)
      let key = try await deployment.key()
      try await deployment.serve { service in
        func open(_ json: String) async throws -> ServiceProcess.Answer {
          try await service.send(
            "POST", "/v1/sessions",
            headers: [
              ("Authorization", "Bearer \(key)"), ("Content-Type", "application/json"), ("Idempotency-Key", "once"),
            ], body: Array(json.utf8))
        }
        let first = try await open(try Self.body())
        let second = try await open(try Self.body())
        #expect(first.member("session_id") != nil)
        #expect(first.member("session_id") == second.member("session_id"))
        #expect(first.member("auth_url") == second.member("auth_url"))
        let other = try await open(try Self.body(["resource": "FITBIT"]))
        #expect(other.status == 409)
        #expect(other.code == "idempotency_conflict")
      }
      #expect(try await deployment.items(["session", "list"]).count == 1)
    }
  }

  @Test func refusesABadRequestAndNamesTheField() async throws {
    let deployment = try await Deployment.make()
    let key = try await deployment.key()
    let cases: [(json: String, code: String, field: String?)] = [
      ("", "invalid_json", nil), ("no json", "invalid_json", nil), ("[]", "invalid_request", nil),
      ("null", "invalid_request", nil), (#"{"reference_id":7}"#, "invalid_request", "reference_id"),
      (try Self.body(["reference-id": "x"]), "invalid_request", "reference-id"),
      (try Self.body(["reference_id": ""]), "invalid_request", "reference_id"),
      (try Self.body(["reference_id": String(repeating: "r", count: 4_096)]), "invalid_request", "reference_id"),
      (try Self.body(["reference_id": "a\0b"]), "invalid_request", "reference_id"),
      (try Self.body(["success": "http://app.acme.io/devices"]), "return_url_not_allowed", "success"),
      (try Self.body(["success": "javascript:alert(1)"]), "return_url_not_allowed", "success"),
      (try Self.body(["success": "https://evil.example/devices"]), "return_url_not_allowed", "success"),
      (try Self.body(["success": "https://app.acme.io/devicesEvil"]), "return_url_not_allowed", "success"),
      (try Self.body(["success": "https://app.acme.io@evil.example/devices"]), "return_url_not_allowed", "success"),
      (try Self.body(["failure": "data:text/html,x"]), "return_url_not_allowed", "failure"),
      (try Self.body(["failure": "https://app.acme.io/devices\r\nX: y"]), "return_url_not_allowed", "failure"),
    ]
    try await deployment.serve { service in
      for (json, code, field) in cases {
        let answer = try await service.api("POST", "/v1/sessions", key: key, json: json)
        #expect(answer.status == 400, "\(json.prefix(80)): \(answer.body)")
        #expect(answer.headers["content-type"] == "application/problem+json")
        #expect(answer.code == code, "\(json.prefix(80)): \(answer.body)")
        if let field { #expect(answer.member("field") == field, "\(answer.body)") }
        #expect(answer.member("request_id") == answer.headers["x-request-id"])
      }
      let large = try Self.body(["language": String(repeating: "x", count: 70 << 10)])
      #expect(try await service.api("POST", "/v1/sessions", key: key, json: large).status == 413)
      let bytes = Array(#"{"reference_id":""#.utf8) + [0xff] + Array(#""}"#.utf8)
      let text = try await service.send(
        "POST", "/v1/sessions", headers: [("Authorization", "Bearer \(key)"), ("Content-Type", "application/json")],
        body: bytes)
      #expect(text.status == 400)
      let form = try await service.send(
        "POST", "/v1/sessions",
        headers: [("Authorization", "Bearer \(key)"), ("Content-Type", "application/x-www-form-urlencoded")], body: [])
      #expect(form.status == 415)
    }
    #expect(try await deployment.items(["session", "list"]).isEmpty)
  }

  @Test func saysWhenTerraIsAway() async throws {
    let deployment = try await Deployment.make()
    let key = try await deployment.key()
    try await deployment.serve { service in
      let answer = try await service.api("POST", "/v1/sessions", key: key, json: try Self.body())
      #expect(answer.status == 502)
      #expect(answer.code == "terra_unavailable")
    }
    let command = try await CommandLineTool.run(
      [
        "session", "create", "--tenant", "acme", "--reference-id", "x", "--resource", "GARMIN", "--success",
        "https://app.acme.io/devices", "--failure", "https://app.acme.io/devices",
      ], database: deployment.database)
    #expect(command.code == 69, "\(command.errors)")
    let sessions = try await deployment.items(["session", "list"])
    #expect(sessions.compactMap { $0["status"] as? String } == ["failed", "failed"])
  }

  @Test func asksForAKeyWithTheScope() async throws {
    let deployment = try await Deployment.make()
    try await deployment.addTenant("globex")
    let reader = try await deployment.key(scopes: ["connections:read"])
    let admin = try await deployment.key(scopes: ["admin"])
    let foreign = try await deployment.key(tenant: "globex")
    try await deployment.serve { service in
      let none = try await service.send("GET", "/v1/connections")
      #expect(none.status == 401)
      #expect(none.code == "unauthenticated")
      #expect(none.headers["www-authenticate"] == "Bearer")
      for header in ["Bearer ", "Bearer crk_x", "Bearer \(reader)x", "Basic \(reader)", reader, "Bearer \(reader) x"] {
        let answer = try await service.send("GET", "/v1/connections", headers: [("Authorization", header)])
        #expect(answer.status == 401, "\(header)")
      }
      let two = try await service.send(
        "GET", "/v1/connections",
        headers: [("Authorization", "Bearer \(reader)"), ("Authorization", "Bearer \(admin)")])
      #expect(two.status == 401)
      let forbidden = try await service.api("POST", "/v1/sessions", key: reader, json: try Self.body())
      #expect(forbidden.status == 403)
      #expect(forbidden.member("detail")?.contains("sessions:write") == true)
      #expect(try await service.api("GET", "/v1/connections", key: admin).status == 200)

      let webhook = SignedWebhook(SignedWebhook.success(userID: "u1", referenceID: "p"), secret: Deployment.secret)
      #expect(try await service.deliver(webhook).status == 200)
      #expect(try await service.api("GET", "/v1/connections", key: reader).body.contains(#""user_id":"u1""#))
      #expect(try await service.api("GET", "/v1/connections", key: foreign).body == #"{"items":[],"next_cursor":null}"#)
      #expect(try await service.api("GET", "/v1/connections/u1", key: foreign).status == 404)
      #expect(try await service.api("GET", "/v1/app-users/p", key: foreign).status == 404)
    }
  }

  @Test func readsPathsAndQueriesStrictly() async throws {
    let deployment = try await Deployment.make()
    let key = try await deployment.key()
    try await deployment.serve { service in
      let people = ["a/b", "ä ö", "100%", "x+y"]
      for (index, person) in people.enumerated() {
        let body = SignedWebhook.success(userID: "u\(index)", referenceID: person)
        #expect(try await service.deliver(SignedWebhook(body, secret: Deployment.secret)).status == 200)
      }
      for (path, person) in zip(["a%2Fb", "%C3%A4%20%C3%B6", "100%25", "x+y"], people) {
        let answer = try await service.api("GET", "/v1/app-users/\(path)", key: key)
        #expect(answer.status == 200, "\(path): \(answer.body)")
        #expect(answer.member("reference_id") == person)
      }
      let plus = try await service.api("GET", "/v1/connections?reference_id=x%2By", key: key)
      #expect(plus.body.contains(#""user_id":"u3""#))
      for path in ["%", "%2", "%ZZ", "%FF", "%00", "a%00b"] {
        let answer = try await service.sendRaw(
          "GET /v1/app-users/\(path)", headers: [("Authorization", "Bearer \(key)")])
        #expect(answer.status == 400, "\(path): \(answer.body)")
        #expect(answer.member("field") == "reference_id")
      }
      for query in [
        "limit=0", "limit=201", "limit=x", "limit=1&limit=2", "refrence_id=x", "status=asleep", "cursor=nonsense",
        "reference_id=%FF", "reference_id=a%00b", "resource=%00",
      ] {
        let answer = try await service.sendRaw(
          "GET /v1/connections?\(query)", headers: [("Authorization", "Bearer \(key)")])
        #expect(answer.status == 400, "\(query): \(answer.body)")
        #expect(answer.code == "invalid_request")
      }
      // Pages end where the list does.
      var seen: [String] = []
      var cursor: String?
      repeat {
        let query = cursor.map { "limit=3&cursor=\($0)" } ?? "limit=3"
        let page = try await service.api("GET", "/v1/connections?\(query)", key: key)
        let object = try #require(
          try JSONSerialization.jsonObject(with: Data(page.body.utf8)) as? [String: Any], "\(page.body)")
        seen += try #require(object["items"] as? [[String: Any]]).compactMap { $0["user_id"] as? String }
        cursor = object["next_cursor"] as? String
      } while cursor != nil && seen.count < 10
      #expect(seen == ["u0", "u1", "u2", "u3"])
      // An id of the caller's is taken, one that does not fit into a log line is not.
      let named = try await service.send("GET", "/healthz", headers: [("X-Request-Id", "trace-7")])
      #expect(named.headers["x-request-id"] == "trace-7")
      let odd = try await service.send("GET", "/healthz", headers: [("X-Request-Id", "a b=\"c\"")])
      #expect(odd.headers["x-request-id"] != "a b=\"c\"")
      for path in ["/v1/nothing", "/v1", "/nothing"] {
        let nothing = try await service.send("GET", path)
        #expect(nothing.status == 404 && nothing.code == "not_found", "\(path): \(nothing.body)")
        #expect(nothing.headers["content-type"] == "application/problem+json", "\(path)")
      }
      #expect(try await service.send("DELETE", "/healthz").status == 404)
    }
  }
}
