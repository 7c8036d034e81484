@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import RegistryModel
import Testing

/// The schemas of the document against what is really encoded, so that the two cannot drift apart.
@Suite struct SchemaTests {
  private static let date = Date(timeIntervalSince1970: 1_767_225_600.25)

  /// A value with every member has exactly the members that its schema names, and a value with as few as possible
  /// exactly those that it requires.
  private static func expect(
    _ schema: APISchema, fits full: some Encodable, andBare bare: some Encodable,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    for (value, requiredOnly) in [(try node(full), false), (try node(bare), true)] {
      #expect(fault(schema, value) == nil, sourceLocation: sourceLocation)
      guard case .object(let members) = value else {
        Issue.record("not an object", sourceLocation: sourceLocation)
        return
      }
      let named = Set(schema.members.filter { $0.isRequired || !requiredOnly }.map(\.name))
      #expect(Set(members.keys) == named, sourceLocation: sourceLocation)
    }
  }

  private static func fault(_ schema: APISchema, _ value: JSONNode) -> APISchema.Fault? {
    do {
      try schema.check(value)
      return nil
    } catch {
      return error
    }
  }

  private static func node(_ value: some Encodable) throws -> JSONNode {
    try JSONDecoder().decode(JSONNode.self, from: RegistryJSON.encoder().encode(value))
  }

  private static let session = AuthSession(
    sessionID: UUID(), kind: .direct, status: .open, referenceID: "r", resource: "FITBIT", multiAuth: false,
    userID: "u", terraSessionID: "t", authURL: "https://a.example", token: "t",
    returnSuccess: "https://s.example", returnFailure: "https://f.example", channel: .gateway, replaces: "v",
    isBound: true, refusedReason: "refused", refusedCode: "terra_refused", createdAt: date, expiresAt: date)

  private static let connection = Connection(
    userID: "u", resource: "FITBIT", referenceID: "r", status: .active, scopes: "read", supersededBy: "v",
    lastDataAt: date, createdAt: date, recordedAt: date, needsReauth: true,
    reconnect: .init(userID: "u", resource: "FITBIT", status: .degraded))

  private static let event = AuthEvent(
    eventID: UUID(), recordedAt: date, signedAt: date, occurredAt: date, channel: "webhook", kind: "auth_success",
    type: "auth", status: "success", userID: "u", oldUserID: "o", referenceID: "r", oldReferenceID: "s",
    resource: "FITBIT", widgetSessionID: "w", reason: "x", traceID: "t")

  @Test func aSessionIsAsItsSchemaSays() throws {
    var bare = Self.session
    bare.referenceID = nil
    bare.resource = nil
    bare.userID = nil
    bare.terraSessionID = nil
    bare.authURL = nil
    bare.token = nil
    bare.returnSuccess = nil
    bare.returnFailure = nil
    bare.replaces = nil
    bare.refusedCode = nil
    bare.refusedReason = nil
    try Self.expect(SessionSchemas.session, fits: Self.session, andBare: bare)
  }

  @Test func aConnectionIsAsItsSchemaSays() throws {
    var bare = Self.connection
    bare.resource = nil
    bare.referenceID = nil
    bare.scopes = nil
    bare.reconnect = nil
    bare.supersededBy = nil
    bare.lastDataAt = nil
    try Self.expect(ConnectionSchemas.connection, fits: Self.connection, andBare: bare)
  }

  @Test func aPartOfTheChangeFeedIsAsItsSchemaSays() throws {
    let change = Change(
      cursor: "c", userID: "u", sequence: 1, fromStatus: .pending, toStatus: .active, referenceID: "r",
      resource: "FITBIT", causeType: "event", causeID: "e", recordedAt: Self.date)
    var bare = change
    bare.fromStatus = nil
    bare.referenceID = nil
    bare.resource = nil
    try Self.expect(ChangeSchemas.change, fits: change, andBare: bare)
    try Self.expect(
      ChangeSchemas.page, fits: ChangePage(items: [change], cursor: "c", heldSeconds: 0.5),
      andBare: ChangePage(items: [], cursor: "c", heldSeconds: 0))
  }

  @Test func aChangeIsAsItsSchemaSays() throws {
    let change = ConnectionChange(
      userID: "u", sequence: 1, fromStatus: .pending, toStatus: .active, causeType: "event", causeID: "e",
      recordedAt: Self.date)
    var bare = change
    bare.fromStatus = nil
    try Self.expect(ConnectionSchemas.change, fits: change, andBare: bare)
  }

  @Test func aCorrectionIsAsItsSchemaSays() throws {
    let correction = Correction(
      correctionID: UUID(), recordedAt: Self.date, occurredAt: Self.date, userID: "u", verdict: .alive,
      source: "terra", reason: "asked")
    try Self.expect(ConnectionSchemas.correction, fits: correction, andBare: correction)
  }

  @Test func anEventIsAsItsSchemaSays() throws {
    var bare = Self.event
    bare.status = nil
    bare.userID = nil
    bare.oldUserID = nil
    bare.referenceID = nil
    bare.oldReferenceID = nil
    bare.resource = nil
    bare.widgetSessionID = nil
    bare.reason = nil
    bare.traceID = nil
    try Self.expect(EventSchemas.event, fits: Self.event, andBare: bare)
  }

  @Test func detailsAreAsTheirSchemasSay() throws {
    let connection = ConnectionDetail(
      connection: Self.connection, changes: [], events: [Self.event], sessions: [Self.session], corrections: [])
    try Self.expect(ConnectionSchemas.detail, fits: connection, andBare: connection)
    var person = AppUserDetail(
      referenceID: "r", createdAt: Self.date, mergedInto: "s", tags: ["plan": "pro"], connections: [Self.connection],
      sessions: [Self.session])
    let full = person
    person.mergedInto = nil
    person.tags = [:]
    try Self.expect(AppUserSchemas.detail, fits: full, andBare: person)
    let named = AppUser(referenceID: "r", createdAt: Self.date, mergedInto: "s", tags: ["two_words": "x"])
    var bare = named
    bare.mergedInto = nil
    try Self.expect(AppUserSchemas.person, fits: named, andBare: bare)
  }

  @Test func aProblemIsAsItsSchemaSays() throws {
    var full = Problem(.invalidRequest, "No.", field: "limit")
    full.requestID = "r"
    try Self.expect(
      ProblemSchemas.problem([.invalidRequest]), fits: full, andBare: Problem(.invalidRequest, "No."))
  }

  @Test(arguments: [
    (#"{"success":"https://a.example","failure":"https://b.example"}"#, ""),
    (#"{"kind":"phone"}"#, "kind"), (#"[]"#, "body"), (#"{"reference-id":"x"}"#, "reference-id"),
    (#"{"success":"s","failure":"f","multi_auth":"yes"}"#, "multi_auth"),
    (#"{"success":"s","failure":"f","providers":["A",7]}"#, "providers.1"),
    (#"{"success":"s","failure":"f","reference_id":null}"#, ""), (#"{"success":"","failure":"f"}"#, "success"),
    (#"{"success":"s","failure":"f","reference_id":"a\u0000b"}"#, "reference_id"),
  ])
  func aBodyIsHeldAgainstItsSchema(_ json: String, _ field: String) throws {
    let value = try JSONDecoder().decode(JSONNode.self, from: Data(json.utf8))
    let found = Self.fault(SessionSchemas.new, value).map { $0.path.isEmpty ? "body" : $0.path } ?? ""
    #expect(found == field)
  }

  @Test(arguments: [
    ("2026-01-01T00:00:00Z", 1_767_225_600.0), ("2026-01-01t05:30:00+05:30", 1_767_225_600),
    ("2025-12-31T19:00:00.5-05:00", 1_767_225_600.5), ("1970-01-01T00:00:00.000001z", 0.000_001),
    ("2024-02-29T12:00:00Z", 1_709_208_000), ("0001-01-01T00:00:00Z", -62_135_596_800),
    ("9999-12-31T23:59:59Z", 253_402_300_799), ("2016-12-31T23:59:60Z", 1_483_228_800),
  ])
  func aTimeWithAZoneIsRead(_ text: String, _ seconds: Double) throws {
    let read = try #require(RFC3339.date(from: text))
    #expect(abs(read.timeIntervalSince1970 - seconds) < 0.000_000_5)
  }

  @Test(arguments: [
    "2026-01-01T00:00:00", "2026-01-01", "2026-01-01T00:00Z", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
    "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01 00:00:00Z",
    "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+0100", "2026-1-1T0:0:0Z",
    "0000-01-01T00:00:00Z", "+2026-01-01T00:00:00Z", "2026-01-01T00:00:00ZZ", "٢٠٢٦-01-01T00:00:00Z", "now", "",
    "0001-01-01T00:00:00+01:00", "10000-01-01T00:00:00Z",
  ])
  func aTimeWithoutAZoneOrADayThatNeverWasIsRefused(_ text: String) {
    #expect(RFC3339.date(from: text) == nil)
  }
}

extension APISchema {
  /// The members of an object's schema.
  var members: [Member] {
    switch form {
    case .object(let members): members
    case .named(_, let schema), .nullable(let schema): schema.members
    default: []
    }
  }
}
