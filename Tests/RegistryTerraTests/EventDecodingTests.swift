import RegistryModel
import RegistryTerra
import Testing

@Suite struct EventDecodingTests {
  private static func decode(_ text: String) throws -> TerraEvent { try TerraEvent.decode(text.utf8) }

  @Test func readsTheFixtures() throws {
    let success = try TerraEvent.decode(Fixture.named("auth_success").body)
    #expect(success.kind == .authSuccess)
    #expect(success.connection?.userID == "40f7b0e1-89e2-43ac-a5b8-1e29c8d47cad")
    #expect(success.connection?.resource == .garmin)
    #expect(success.connection?.scopes == "ACTIVITY_EXPORT,HEALTH_EXPORT")
    #expect(success.connection?.isActive == true)
    #expect(success.connection?.lastWebhookUpdate == nil)
    #expect(success.referenceID == "your-user-123")
    #expect(success.topLevelReferenceID == nil)
    #expect(success.widgetSessionID == "3e982b74-1a94-4d9a-b6a3-f92c6e4d21b5")

    let cancelled = try TerraEvent.decode(Fixture.named("auth_cancelled").body)
    #expect(cancelled.kind == .authFailure)
    #expect(cancelled.connection == nil)
    #expect(cancelled.referenceID == "your-user-123")
    #expect(cancelled.reason == "access_denied")
    #expect(cancelled.flowID == "b2f9c611-52c8-4a63-9082-7e50e2f5a1cd")

    let ended = try TerraEvent.decode(Fixture.named("deauth").body)
    #expect(ended.kind == .deauthentication)
    #expect(ended.connection?.isActive == false)

    let again = try TerraEvent.decode(Fixture.named("user_reauth").body)
    #expect(again.kind == .userReauth)
    #expect(again.connection?.userID == "9c8b7a65-4321-4fed-a0b9-87c6d5e4f321")
    #expect(again.oldConnection?.userID == "40f7b0e1-89e2-43ac-a5b8-1e29c8d47cad")

    let utf8 = try TerraEvent.decode(Fixture.named("utf8").body)
    #expect(utf8.referenceID == "zoë-東京")
    #expect(utf8.reason == nil)
  }

  @Test func readsTheOlderGeneration() throws {
    let success = try Self.decode(
      #"""
      {"type":"auth","status":"success","widget_session_id":"w","user":{"scopes":"A,B","active":true,
       "last_webhook_update":null,"created_at":"2024-10-07T03:45:00.000000+00:00","user_id":"u","reference_id":"tony",
       "provider":"garmin"},"reference_id":"tony","message":"User has successfully authenticated",
       "version":"2022-03-16"}
      """#)
    #expect(success.kind == .authSuccess)
    #expect(success.connection?.createdAt == "2024-10-07T03:45:00.000000+00:00")
    #expect(success.resource == .garmin)
    #expect(success.topLevelReferenceID == "tony")

    let failure = try Self.decode(
      #"""
      {"type":"auth","status":"error","user":{"user_id":"u","provider":"GARMIN"},"provider":"GARMIN","message":"m",
       "reason":"auth_cancelled","reference_id":"r","widget_session_id":"w","version":"2022-03-16"}
      """#)
    #expect(failure.kind == .authFailure)
    #expect(failure.connection?.userID == "u")
    #expect(failure.referenceID == "r")
    #expect(failure.widgetSessionID == "w")
  }

  @Test(
    arguments: [
      ("auth", "success", .authSuccess), ("auth", "error", .authFailure), ("auth", "warning", .unknownAuthLike),
      ("auth_cancelled", "error", .authFailure), ("deauth", "success", .deauthentication),
      ("user_reauth", "warning", .userReauth), ("access_revoked", "warning", .accessRevoked),
      ("connection_error", "warning", .connectionError), ("permission_change", "warning", .permissionChange),
      ("google_no_datasource", "warning", .unknownAuthLike), ("auth_success", "success", .unknownAuthLike),
      ("AUTH", "success", .unknownAuthLike), ("user_deleted", "success", .unknownAuthLike),
      ("something_new", "success", .unknownAuthLike), ("activity", "success", .data), ("body", "success", .data),
      ("healthcheck", "success", .data), ("large_request_processing", "processing", .data),
      ("rate_limit_hit", "", .data), ("processing", "success", .data),
    ] as [(String, String, TerraEvent.Kind)])
  func classifies(type: String, status: String, kind: TerraEvent.Kind) throws {
    let user = #"{"user_id":"u","provider":"GARMIN"}"#
    let event = try Self.decode(
      #"{"type":"\#(type)","status":"\#(status)","user":\#(user),"new_user":\#(user),"message":"m"}"#)
    #expect(event.kind == kind)
    #expect(event.type == type)
    #expect(event.kind.isAuthentication == ![.unknownAuthLike, .data].contains(kind))
  }

  @Test func unknownTypesWithDataOrWithoutAConnectionAreData() throws {
    #expect(try Self.decode(#"{"type":"new_thing","user":{"user_id":"u"},"data":[]}"#).kind == .data)
    #expect(try Self.decode(#"{"type":"new_thing","status":null}"#).kind == .data)
    #expect(
      try Self.decode(#"{"type":"s3_payload","status":"success","url":"https://x","expires_in":300}"#).kind == .data)
    #expect(try Self.decode(#"{"type":"healthcheck","status":"success","trend_percentage":0}"#).kind == .data)
  }

  @Test func onlyTypeAndStatusMatterWhereNothingIsDone() throws {
    let event = try Self.decode(#"{"type":"new_auth","user":[1],"reference_id":{},"reason":7}"#)
    #expect(event.kind == .data)
    #expect(event.connection == nil)
    #expect(try Self.decode(#"{"type":"auth","user":7}"#).kind == .unknownAuthLike)
  }

  @Test func referenceIDOfTheConnectionCountsBeforeTheEventsOwn() throws {
    func reference(_ user: String, _ top: String) throws -> String? {
      try Self.decode(#"{"type":"auth","status":"success","user":{"user_id":"u"\#(user)}\#(top)}"#).referenceID
    }
    #expect(try reference(#","reference_id":"a""#, #","reference_id":"b""#) == "a")
    #expect(try reference(#","reference_id":null"#, #","reference_id":"b""#) == "b")
    #expect(try reference(#","reference_id":"""#, #","reference_id":"b""#) == "b")
    #expect(try reference("", "") == nil)
  }

  @Test func scopesMayBeAnArray() throws {
    let event = try Self.decode(
      #"{"type":"permission_change","user":{"user_id":"u","scopes":["A","B"]},"scopes_added":"B","scopes_removed":""}"#)
    #expect(event.connection?.scopes == "A,B")
    #expect(event.scopesAdded == "B")
    #expect(event.scopesRemoved == nil)
  }

  @Test(
    arguments: [
      ("", .notJSON, nil), ("not json", .notJSON, nil), ("{\"type\":\"auth\"", .notJSON, nil),
      ("[]", .wrongType, "the body"),
      ("\"auth\"", .wrongType, "the body"), ("null", .wrongType, "the body"), ("{}", .missing, "type"),
      (#"{"type":null}"#, .missing, "type"), (#"{"type":""}"#, .missing, "type"), (#"{"type":1}"#, .wrongType, "type"),
      (#"{"type":"auth","status":{}}"#, .wrongType, "status"),
      (#"{"type":"auth","status":"success"}"#, .missing, "user"),
      (#"{"type":"auth","status":"success","user":null}"#, .missing, "user"),
      (#"{"type":"auth","status":"success","user":[]}"#, .wrongType, "user"),
      (#"{"type":"auth","status":"success","user":"u"}"#, .wrongType, "user"),
      (#"{"type":"auth","status":"success","user":{}}"#, .missing, "user.user_id"),
      (#"{"type":"auth","status":"success","user":{"user_id":null}}"#, .missing, "user.user_id"),
      (#"{"type":"auth","status":"success","user":{"user_id":7}}"#, .wrongType, "user.user_id"),
      (#"{"type":"auth","status":"success","user":{"user_id":"a\u0000"}}"#, .unusableText, "user.user_id"),
      (
        #"{"type":"auth","status":"success","user":{"user_id":"u","reference_id":"a\u0000b"}}"#, .unusableText,
        "user.reference_id"
      ),
      (
        #"{"type":"auth","status":"success","user":{"user_id":"u","reference_id":"\ud800"}}"#, .unusableText,
        "user.reference_id"
      ),
      (
        #"{"type":"auth","status":"success","user":{"user_id":"u","reference_id":["r"]}}"#, .wrongType,
        "user.reference_id"
      ),
      (#"{"type":"auth","status":"success","user":{"user_id":"u"},"reference_id":7}"#, .wrongType, "reference_id"),
      (#"{"type":"auth","status":"success","user":{"user_id":"u","provider":7}}"#, .wrongType, "user.provider"),
      (#"{"type":"auth","status":"success","user":{"user_id":"u","scopes":[1]}}"#, .wrongType, "user.scopes"),
      (#"{"type":"auth","status":"success","user":{"user_id":"u","active":"yes"}}"#, .wrongType, "user.active"),
      (#"{"type":"auth","status":"success","user":{"user_id":"u"},"message":"\u0000"}"#, .unusableText, "message"),
      (#"{"type":"user_reauth","old_user":{"user_id":"u"}}"#, .missing, "new_user"),
      (#"{"type":"user_reauth","new_user":null,"old_user":{"user_id":"u"}}"#, .missing, "new_user"),
      (#"{"type":"user_reauth","new_user":{"user_id":"u"},"old_user":7}"#, .wrongType, "old_user"),
      (#"{"type":"user_reauth","user":{"user_id":"u"}}"#, .missing, "new_user"),
      (#"{"type":"deauth"}"#, .missing, "user"), (#"{"type":"access_revoked"}"#, .missing, "user"),
      (#"{"type":"connection_error"}"#, .missing, "user"), (#"{"type":"permission_change"}"#, .missing, "user"),
      (#"{"type":"auth_cancelled","user":7}"#, .wrongType, "user"),
    ] as [(String, TerraEventError.Code, String?)])
  func refuses(body: String, code: TerraEventError.Code, field: String?) throws {
    let error = #expect(throws: TerraEventError.self) { try Self.decode(body) }
    #expect(error?.code == code)
    if code != .notJSON { #expect(error?.field == field) }
    #expect("\(try #require(error))".contains(field ?? "the body"))
  }

  @Test func namesTheFieldThatIsTooLong() throws {
    func body(_ field: String, _ bytes: Int) -> String {
      let text = String(repeating: "é", count: bytes / 2) + (bytes.isMultiple(of: 2) ? "" : "x")
      let user = field.hasPrefix("user.") ? #","\#(field.dropFirst(5))":"\#(text)""# : ""
      let top = field.hasPrefix("user.") ? "" : #","\#(field)":"\#(text)""#
      let id = field == "user.user_id" ? "" : #""user_id":"u""#
      return
        #"{"type":"auth","status":"success","user":{\#(id.isEmpty ? String(user.dropFirst()) : id + user)}\#(top)}"#
    }
    let limits = [
      "user.reference_id": 1_024, "reference_id": 1_024, "user.user_id": 256, "user.provider": 256,
      "widget_session_id": 1_024, "flow_id": 1_024,
    ]
    for (field, limit) in limits {
      #expect(throws: Never.self) { try Self.decode(body(field, limit)) }
      let error = #expect(throws: TerraEventError.self) { try Self.decode(body(field, limit + 1)) }
      #expect(error?.code == .tooLong)
      #expect(error?.field == field)
    }
    #expect(throws: TerraEventError.self) { try Self.decode(body("user.reference_id", 4_096)) }
  }

  @Test func neverCrashesOnHostileBodies() throws {
    let deep = String(repeating: "[", count: 100_000)
    let hostile: [[UInt8]] = [
      Array(#"{"type":"auth","x":\#(deep)"#.utf8), Array(deep.utf8), [0xFF, 0xFE], [0],
      Array(#"{"type":"auth","x":"#.utf8) + [0x22, 0x80, 0x22, 0x7D],
    ]
    for body in hostile {
      let error = #expect(throws: TerraEventError.self) { try TerraEvent.decode(body) }
      #expect(error?.code == .notJSON)
    }
    let huge = try Self.decode(
      #"{"type":"deauth","n":\#(String(repeating: "9", count: 50_000)),"user":{"user_id":"u","user_id":"v"}}"#)
    #expect(huge.connection?.userID == "v")
  }

  @Test func errorsDoNotRepeatValues() throws {
    let secret = "person@example.com"
    let bodies = [
      #"{"type":"auth","status":"success","user":{"user_id":"u","reference_id":"\#(secret)\u0000"}}"#,
      #"{"type":"auth","status":"success","user":{"user_id":"u","reference_id":"\#(secret)"#,
      #"{"type":"auth","status":"success","user":"\#(secret)"}"#,
    ]
    for body in bodies {
      let error = #expect(throws: TerraEventError.self) { try Self.decode(body) }
      #expect(!"\(try #require(error))".contains(secret))
      #expect(!String(reflecting: try #require(error)).contains(secret))
    }
  }

  @Test func codesCanBeMatchedInACatch() {
    do {
      _ = try Self.decode("{}")
      Issue.record("an event without a type was read")
    } catch TerraEventError.Code.missing {
    } catch {
      Issue.record("\(error)")
    }
  }
}
