import Foundation
import HTTPTypes
import TerraSandbox
import Testing

@Suite("Terra's endpoints")
struct EndpointTests {
  @Test("a legacy widget session is answered with 200 and lives for 900 seconds")
  func legacyWidget() async throws {
    try await withStage { stage in
      let reply = try await stage.call(.post, "/v2/auth/generateWidgetSession", json: #"{"reference_id":"r"}"#)
      #expect(reply.status == 200)
      let body = reply.body.object
      #expect(body["status"] as? String == "success")
      #expect(body["expires_in"] as? Int == 900)
      let session = try #require(body["session_id"] as? String)
      let url = try #require(body["url"] as? String)
      #expect(!url.contains(session), "the uuid in the URL is another one than the session's")
    }
  }

  @Test("a widget session of the newer generation is answered with 201, a day and warnings")
  func accessWidget() async throws {
    try await withStage { stage in
      for path in ["/api/widget/session", "/widget/session", "/widget/api/session"] {
        let reply = try await stage.call(.post, path, json: #"{"providers":"GARMIN,NOPE","unheard_of":[1]}"#)
        #expect(reply.status == 201)
        #expect(reply.body.object["expires_in"] as? Int == 86_400)
        #expect((reply.body.object["warnings"] as? [String])?.count == 1)
      }
    }
  }

  @Test(
    "authenticateUser takes the resource from the query or the body, in any case, with nulls or with nothing",
    arguments: ["/v2", "/api/v2"])
  func authenticateUser(base: String) async throws {
    try await withStage { stage in
      let calls: [(String, String?)] = [
        ("?resource=FITBIT", #"{"language":"en","reference_id":"r"}"#), ("?resource=oura", ""),
        ("", #"{"resource": "FITBIT", "auth_success_redirect_url": null, "reference_id": null}"#),
        ("?resource=GARMIN&reference_id=r&auth_success_redirect_url=https%3A%2F%2Fa.example%2F", nil),
      ]
      for (query, json) in calls {
        let reply = try await stage.call(.post, "\(base)/auth/authenticateUser\(query)", json: json)
        #expect(reply.status == 200, "\(query) \(json ?? "without a body")")
        #expect(reply.body.object["user_id"] is String)
        #expect((reply.body.object["auth_url"] as? String)?.hasPrefix("http://127.0.0.1:") == true)
      }
    }
  }

  @Test("each family of paths has its own error bodies")
  func errors() async throws {
    try await withStage { stage in
      let legacy = try await stage.call(.post, "/v2/auth/authenticateUser?resource=NOPE")
      #expect(legacy.status == 404)
      #expect(legacy.body.object["status"] as? String == "error")
      let access = try await stage.call(.post, "/api/v2/auth/authenticateUser?resource=NOPE")
      #expect(access.status == 400)
      #expect(access.contentType == "application/problem+json")
      #expect(access.body.object["instance"] as? String == "/api/v2/auth/authenticateUser?resource=NOPE")
      #expect(access.body.object["title"] as? String == "bad request")
      let malformed = try await stage.call(.post, "/v2/auth/generateWidgetSession", json: "{")
      #expect(malformed.status == 400)
      let missing = try await stage.call(.post, "/v2/auth/authenticateUser", json: "")
      #expect(missing.status == 400)
      let mobile = try await stage.call(.post, "/v2/auth/authenticateUser?resource=APPLE")
      #expect(mobile.status == 400)
      let page = try await stage.call(.get, "/v2/subscriptions?page=-1")
      #expect(page.status == 400)
      let large = String(repeating: " ", count: 1_048_577)
      #expect(try await stage.call(.post, "/v2/auth/generateWidgetSession", json: large).status == 413)
    }
  }

  @Test(
    "credentials are checked together",
    arguments: [
      [:], ["dev-id": "acme-dev-id"], ["x-api-key": "acme-api-key"],
      ["dev-id": "acme-dev-id", "x-api-key": "globex-api-key"], ["dev-id": "nobody", "x-api-key": "acme-api-key"],
    ])
  func credentials(headers: [String: String]) async throws {
    try await withStage(slugs: ["acme", "globex"]) { stage in
      for (method, path, status) in [
        (HTTPRequest.Method.post, "/v2/auth/generateWidgetSession", 401), (.post, "/api/widget/session", 403),
        (.get, "/api/v2/subscriptions", 401), (.get, "/v2/userInfo?user_id=x", 401),
        (.delete, "/v2/auth/deauthenticateUser?user_id=x", 401), (.post, "/v2/bulkUserInfo", 401),
      ] {
        let reply = try await stage.call(method, path, headers: headers)
        #expect(reply.status == status, "\(path)")
        #expect(!reply.body.isEmpty)
      }
    }
  }

  @Test("switches answer 410, an HTML 500, and refuse beyond the user cap")
  func switches() async throws {
    try await withStage { stage in
      try await stage.sandbox.update(tenant: "acme") { $0.retiresLegacyWidget = true }
      #expect(try await stage.call(.post, "/v2/auth/generateWidgetSession").status == 410)
      #expect(try await stage.call(.post, "/api/widget/session").status == 201)
      try await stage.sandbox.update(tenant: "acme") { $0.answersServerError = true }
      let reply = try await stage.call(.post, "/api/widget/session")
      #expect(reply.status == 500)
      #expect(reply.contentType.hasPrefix("text/html"))
      try await stage.sandbox.update(tenant: "acme") { environment in
        environment.answersServerError = false
        environment.userCap = 1
      }
      try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "r", resource: "OURA")
      #expect(try await stage.call(.post, "/v2/auth/authenticateUser?resource=OURA").status == 403)
    }
  }

  @Test("userInfo tells of a connection before and after it is authenticated, and forgets it afterwards")
  func userInfo() async throws {
    try await withStage { stage in
      let begun = try await stage.call(.post, "/v2/auth/authenticateUser?resource=OURA", json: #"{"reference_id":"r"}"#)
      let pending = try #require(begun.body.object["user_id"] as? String)
      let before = try await stage.call(.get, "/v2/userInfo?user_id=\(pending)")
      #expect(before.status == 200)
      #expect(before.body.object["is_authenticated"] as? Bool == false)
      let userID = try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "r", resource: "OURA")
      let after = try await stage.call(.get, "/v2/userInfo?user_id=\(userID)")
      #expect(after.body.object["is_authenticated"] as? Bool == true)
      #expect((after.body.object["user"] as? [String: Any])?["reference_id"] as? String == "r")
      let bulk = try await stage.call(.post, "/v2/bulkUserInfo", json: #"["\#(userID)","nobody"]"#)
      #expect((try JSONSerialization.jsonObject(with: bulk.body) as? [Any])?.count == 1)
      let ended = try await stage.call(.delete, "/v2/auth/deauthenticateUser?user_id=\(userID)")
      #expect(ended.status == 200)
      #expect(try await stage.call(.get, "/v2/userInfo?user_id=\(userID)").status == 404)
      #expect(try await stage.call(.delete, "/v2/auth/deauthenticateUser?user_id=\(userID)").status == 404)
      await stage.sandbox.waitUntilIdle()
      #expect(stage.registry.received.compactMap(\.type).contains("deauth"))
      #expect(await stage.sandbox.ledger.liveConnections(tenant: "acme").isEmpty)
    }
  }

  @Test("userInfo by reference_id has the shape that is asked for", arguments: UserListShape.allCases)
  func userLists(shape: UserListShape) async throws {
    try await withStage { stage in
      try await stage.sandbox.update(tenant: "acme") { $0.userListShape = shape }
      for resource in ["OURA", "GARMIN"] {
        try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "r/1", resource: resource)
      }
      let reply = try await stage.call(.get, "/v2/userInfo?reference_id=r%2F1")
      let nobody = try await stage.call(.get, "/v2/userInfo?reference_id=nobody")
      switch shape {
      case .array:
        #expect((try JSONSerialization.jsonObject(with: reply.body) as? [Any])?.count == 2)
        #expect(nobody.body == Data("[]".utf8))
      case .users:
        #expect((reply.body.object["users"] as? [Any])?.count == 2)
        #expect((nobody.body.object["users"] as? [Any])?.isEmpty == true)
      case .user:
        #expect(reply.body.object["user"] is [String: Any])
        #expect(nobody.status == 404)
      }
    }
  }

  @Test("subscriptions come whole or by page, and only this environment's")
  func subscriptions() async throws {
    try await withStage(slugs: ["acme", "globex"]) { stage in
      for number in 1...5 {
        try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "r\(number)", resource: "OURA")
      }
      try await stage.sandbox.connectOutsideSession(tenant: "globex", referenceID: "r", resource: "OURA")
      let whole = try await stage.call(.get, "/v2/subscriptions")
      #expect((whole.body.object["users"] as? [Any])?.count == 5)
      var seen: Set<String> = []
      var page: Int? = 0
      while let number = page {
        let reply = try await stage.call(.get, "/api/v2/subscriptions?page=\(number)&per_page=2")
        let data = try #require(reply.body.object["data"] as? [String: Any])
        #expect(data["max_page"] as? Int == 2)
        for entry in data["results"] as? [[String: Any]] ?? [] { seen.insert(entry["user_id"] as? String ?? "") }
        page = data["next"] as? Int
      }
      #expect(seen.count == 5)
      let beyond = try await stage.call(.get, "/v2/subscriptions?page=99999999999999&per_page=500")
      #expect(((beyond.body.object["data"] as? [String: Any])?["results"] as? [Any])?.isEmpty == true)
    }
  }

  @Test("tokens for phones, lists of providers, and PATCH, which only the legacy generation has")
  func theRest() async throws {
    try await withStage { stage in
      for path in ["/v2/auth/generateAuthToken", "/api/v2/auth/tokens?reference_id=r"] {
        let reply = try await stage.call(.post, path)
        #expect((reply.body.object["token"] as? String)?.count == 64)
        #expect(reply.body.object["expires_in"] as? Int == 180)
      }
      let lists = try await stage.call(.get, "/v2/integrations", headers: [:])
      #expect((lists.body.object["providers"] as? [String])?.contains("FITBIT") == true)
      let detailed = try await stage.call(.get, "/v2/integrations/detailed?sdk=true", headers: [:])
      let names = (detailed.body.object["providers"] as? [[String: Any]])?.compactMap { $0["provider"] as? String }
      #expect(names?.contains("APPLE") == true)
      let userID = try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "r", resource: "OURA")
      let patched = try await stage.call(.patch, "/v2/users/\(userID)", json: #"{"reference_id":null,"active":false}"#)
      #expect((patched.body.object["user"] as? [String: Any])?["reference_id"] is NSNull)
      #expect(try await stage.call(.patch, "/api/v2/users/\(userID)", json: "{}").status == 404)
    }
  }

  @Test("the controls make environments and let things happen, and show no secrets")
  func controls() async throws {
    try await withStage { stage in
      let base = "/sandbox/environments/initech"
      let made = try await stage.call(.put, base, json: #"{"signing_secret":"s3cret","generation":"legacy"}"#)
      #expect(made.status == 200)
      #expect(try await stage.call(.put, base, json: #"{"dev_id":"acme-dev-id"}"#).status == 409)
      let list = String(decoding: try await stage.call(.get, "/sandbox/environments").body, as: UTF8.self)
      #expect(list.contains("initech") && !list.contains("s3cret") && !list.contains("api-key"))
      let connected = try await stage.call(.post, "\(base)/connections", json: #"{"resource":"oura"}"#)
      let userID = try #require(connected.body.object["user_id"] as? String)
      for act in ["reject_token", "change_permissions", "send_data", "revoke", "deauthenticate"] {
        let reply = try await stage.call(.post, "\(base)/connections/\(userID)", json: #"{"act":"\#(act)"}"#)
        #expect(reply.status == 202, "\(act)")
      }
      #expect(try await stage.call(.post, "\(base)/connections/\(userID)", json: #"{"act":"revoke"}"#).status == 404)
      #expect(try await stage.call(.post, "\(base)/connections/\(userID)", json: #"{"act":"what"}"#).status == 400)
      let ledger = String(decoding: try await stage.call(.get, "/sandbox/ledger").body, as: UTF8.self)
      #expect(ledger.contains(#""event_kind":"access_revoked""#))
      await stage.sandbox.waitUntilIdle()
      #expect(try await stage.call(.get, "/sandbox/pending").body.object["pending"] as? Int == 0)
    }
  }
}
