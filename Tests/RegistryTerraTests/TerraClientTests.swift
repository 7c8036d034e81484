import HTTPTypes
import NIOConcurrencyHelpers
import RegistryModel
import RegistryTerra
import Testing

@Suite struct TerraClientTests {
  private static let user = #"{"user_id":"u1","provider":"GARMIN","reference_id":"r","active":true}"#

  @Test func authenticateUserSendsWhatTerraDocuments() async throws {
    let requests = try await FakeTerra.answering({ _ in
      .json(#"{"status":"success","user_id":"u1","auth_url":"https://www.fitbit.com/oauth2/authorize?state=x"}"#)
    }) { client in
      let begun = try await client.authenticateUser(
        resource: .fitbit, referenceID: "a+b@x.com", successRedirectURL: "https://app.example/ok?a=1",
        failureRedirectURL: "https://app.example/no", language: "en")
      #expect(begun.userID == "u1")
      #expect(begun.authURL == "https://www.fitbit.com/oauth2/authorize?state=x")
      #expect(begun.expiresIn == nil)
      _ = try await client.authenticateUser(resource: Resource("a&b c"), referenceID: nil)
    }
    #expect(requests.count == 2)
    let request = requests[0]
    #expect(request.method == "POST")
    #expect(request.path == "/v2/auth/authenticateUser")
    #expect(request.query == "resource=FITBIT")
    #expect(request.headers["dev-id"] == "testing-dev-id")
    #expect(request.headers["x-api-key"] == FakeTerra.key)
    #expect(request.headers["content-type"] == "application/json")
    #expect(
      request.body == #"{"auth_failure_redirect_url":"https://app.example/no","#
        + #""auth_success_redirect_url":"https://app.example/ok?a=1","language":"en","reference_id":"a+b@x.com"}"#)
    #expect(requests[1].query == "resource=A%26B%20C")
    #expect(requests[1].body == "{}")
  }

  @Test func widgetSessionReadsBothGenerations() async throws {
    let answers = NIOLockedValueBox([
      Answer.json(
        #"{"status":"success","session_id":"s1","url":"https://widget.tryterra.co/session/w","expires_in":900}"#),
      Answer.json(
        #"{"status":"success","session_id":"s2","url":"https://widget.tryterra.co/session/w","#
          + #""expires_in":86400,"warnings":["unknown provider"]}"#,
        status: .created),
    ])
    let requests = try await FakeTerra.answering({ _ in answers.withLockedValue { $0.removeFirst() } }) { client in
      var request = TerraWidgetSessionRequest(referenceID: "r", providers: ["GARMIN", "FITBIT"], language: "fr")
      request.allowsMultipleConnections = true
      request.connectedUserIDs = ["u1"]
      let older = try await client.generateWidgetSession(request)
      #expect(older.sessionID == "s1")
      #expect(older.url == "https://widget.tryterra.co/session/w")
      #expect(older.expiresIn == .seconds(900))
      #expect(older.warnings.isEmpty)
      let newer = try await client.generateWidgetSession(TerraWidgetSessionRequest())
      #expect(newer.sessionID == "s2")
      #expect(newer.expiresIn == .seconds(86_400))
      #expect(newer.warnings == ["unknown provider"])
    }
    #expect(requests.map(\.path) == ["/api/widget/session", "/api/widget/session"])
    #expect(
      requests[0].body
        == #"{"connected_uids":["u1"],"language":"fr","multi_auth":true,"#
        + #""providers":"GARMIN,FITBIT","reference_id":"r"}"#
    )
    #expect(requests[1].body == "{}")
  }

  @Test func deauthenticateUserHasNoBody() async throws {
    let requests = try await FakeTerra.answering({ _ in .json(#"{"status":"success"}"#) }) { client in
      try await client.deauthenticateUser(userID: "u&1=é")
    }
    #expect(requests.map(\.method) == ["DELETE"])
    #expect(requests[0].query == "user_id=u%261%3D%C3%A9")
    #expect(requests[0].body.isEmpty)
  }

  @Test func userInfoOfOneConnection() async throws {
    try await FakeTerra.answering({ _ in
      .json(#"{"status":"success","user":\#(Self.user),"is_authenticated":false}"#)
    }) { client in
      let info = try await client.userInfo(userID: "u1")
      #expect(info.user.referenceID == "r")
      #expect(info.user.resource == .garmin)
      #expect(info.isAuthenticated == false)
      await Self.expect(.unreadableReply) { try await client.userInfo(userID: "another") }
    }
  }

  @Test(arguments: [
    ("[U,U]", 2), (#"{"users":[U]}"#, 1), (#"{"status":"success","users":[U,U,U]}"#, 3), (#"{"user":U}"#, 1),
    (#"{"user":[U]}"#, 1), ("[]", 0), (#"{"users":[]}"#, 0),
  ])
  func userInfoOfAnAppUserInEveryShape(shape: String, count: Int) async throws {
    let body = shape.replacing("U", with: Self.user)
    let requests = try await FakeTerra.answering({ _ in .json(body) }) { client in
      let users = try await client.userInfo(referenceID: "a b/c")
      #expect(users.count == count)
      #expect(users.allSatisfy { $0.userID == "u1" })
    }
    #expect(requests[0].query == "reference_id=a%20b%2Fc")
  }

  @Test(arguments: [
    "{}", "null", "7", #""x""#, #"{"users":null}"#, #"{"users":{}}"#, #"{"user":null}"#, #"{"user":7}"#,
    #"[{"provider":"GARMIN"}]"#, #"{"users":[7]}"#, #"{"users":[{"user_id":"u"},{"user_id":null}]}"#,
    #"{"status":"success"}"#, "", "<html>", #"{"users":[{"user_id":"u"}"#,
  ])
  func whatIsNoListIsNotReadAsAnEmptyOne(body: String) async throws {
    try await FakeTerra.answering({ _ in .json(body) }) { client in
      await Self.expect(.unreadableReply) { try await client.userInfo(referenceID: "r") }
      await Self.expect(.unreadableReply) { try await client.subscriptions() }
    }
  }

  @Test func subscriptionsInBothShapes() async throws {
    let requests = try await FakeTerra.answering({ request in
      switch request.query {
      case nil, "": .json(#"{"status":"success","users":[\#(Self.user)]}"#)
      case "page=0&per_page=2":
        .json(#"{"data":{"next":1,"max_page":1,"results":[\#(Self.user),\#(Self.user)]}}"#)
      case "page=1&per_page=2": .json(#"{"data":{"next":null,"max_page":1,"results":[\#(Self.user)]}}"#)
      default: .json(#"{"users":[\#(Self.user)]}"#)
      }
    }) { client in
      let whole = try await client.subscriptions()
      #expect(whole.users.count == 1)
      #expect(!whole.isPaged)
      let first = try await client.subscriptions(page: 0, perPage: 2)
      #expect(first.users.count == 2)
      #expect(first.nextPage == 1)
      #expect(first.maximumPage == 1)
      #expect(first.isPaged)
      let last = try await client.subscriptions(page: 1, perPage: 2)
      #expect(last.users.count == 1)
      #expect(last.nextPage == nil)
      let unpaged = try await client.subscriptions(page: 0, perPage: 500)
      #expect(unpaged.users.count == 1)
      #expect(!unpaged.isPaged)
    }
    #expect(requests.allSatisfy { $0.path == "/v2/subscriptions" && $0.method == "GET" })
  }

  @Test(arguments: [
    #"{"data":{"results":[]}}"#, #"{"data":{"next":null}}"#, #"{"data":{"next":"1","results":[]}}"#,
    #"{"data":{"next":3,"results":[]}}"#, #"{"data":{"next":1.5,"results":[]}}"#, #"{"data":[]}"#,
    #"{"data":null}"#, #"{"data":{"next":null,"results":[{"provider":"X"}]}}"#,
  ])
  func aPageThatMayHideMoreIsUnreadable(body: String) async throws {
    try await FakeTerra.answering({ _ in .json(body) }) { client in
      await Self.expect(.unreadableReply) { try await client.subscriptions(page: 3) }
    }
  }

  @Test(arguments: [
    #"{"status":"success","auth_url":"https://x"}"#, #"{"status":"success","user_id":"u"}"#,
    #"{"user_id":"u","auth_url":"javascript:alert(1)"}"#, #"{"user_id":"u","auth_url":"https://x\r\nA: b"}"#,
    #"{"user_id":7,"auth_url":"https://x"}"#, #"{"user_id":"","auth_url":"https://x"}"#, "[]", "not json",
  ])
  func anAnswerWithoutItsFieldsIsUnreadable(body: String) async throws {
    try await FakeTerra.answering({ _ in .json(body) }) { client in
      let error = await Self.expect(.unreadableReply) {
        try await client.authenticateUser(resource: .oura, referenceID: "r")
      }
      #expect(error?.message?.isEmpty == false)
    }
  }

  @discardableResult
  private static func expect(
    _ code: TerraAPIError.Code, _ body: () async throws -> some Any, sourceLocation: SourceLocation = #_sourceLocation
  ) async -> TerraAPIError? {
    do {
      _ = try await body()
      Issue.record("no error, expected \(code)", sourceLocation: sourceLocation)
      return nil
    } catch {
      let error = error as? TerraAPIError
      #expect(error?.code == code, sourceLocation: sourceLocation)
      return error
    }
  }
}
