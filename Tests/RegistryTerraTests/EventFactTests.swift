import RegistryModel
import RegistryTerra
import Testing

@Suite struct EventFactTests {
  private static let instant = Instant(microseconds: 1_767_225_600_123_456)

  private static func facts(_ body: String, factID: String = "f") throws -> [ConnectionFact] {
    try TerraEvent.decode(body.utf8).facts(at: instant, factID: factID)
  }

  private static let values = #""user_id":"u","reference_id":"r","provider":"fitbit","scopes":"A,B""#

  private static func expectedValues(_ registers: ConnectionRegisters, _ key: OrderKey) {
    #expect(registers.referenceID == Register(key: key, value: "r"))
    #expect(registers.resource == Register(key: key, value: "FITBIT"))
    #expect(registers.scopes == Register(key: key, value: "A,B"))
  }

  @Test(
    arguments: [
      (#""type":"auth","status":"success""#, .auth), (#""type":"auth","status":"error""#, .failure),
      (#""type":"auth_cancelled","status":"error""#, .failure), (#""type":"deauth""#, .deauthenticated),
      (#""type":"access_revoked""#, .revoked), (#""type":"connection_error""#, .connectionError),
      (#""type":"permission_change""#, .permissionChange),
    ] as [(String, Evidence)])
  func everyKindFillsItsRegistersAndItsValues(head: String, evidence: Evidence) throws {
    let facts = try Self.facts("{\(head),\"user\":{\(Self.values)}}")
    #expect(facts.count == 1)
    let fact = try #require(facts.first)
    let key = OrderKey(instant: Self.instant, rank: evidence.rank, factID: "f")
    #expect(fact.userID == "u")
    #expect(fact.orderKey == key)
    Self.expectedValues(fact.registers, key)
    var bare = fact.registers
    (bare.referenceID, bare.resource, bare.scopes) = (nil, nil, nil)
    #expect(bare == ConnectionRegisters(of: evidence, key: key))
  }

  @Test func signsOfLife() throws {
    func isAlive(_ head: String) throws -> Bool {
      try Self.facts("{\(head),\"user\":{\(Self.values)}}").first?.registers.aliveKey != nil
    }
    #expect(try isAlive(#""type":"auth","status":"success""#))
    #expect(try isAlive(#""type":"connection_error""#))
    #expect(try isAlive(#""type":"permission_change""#))
    #expect(try !isAlive(#""type":"auth","status":"error""#))
    #expect(try !isAlive(#""type":"deauth""#))
    #expect(try !isAlive(#""type":"access_revoked""#))
  }

  @Test func dataFillsOnlyItsOwnRegisterAtTheMinute() throws {
    let fact = try #require(try Self.facts("{\"type\":\"activity\",\"user\":{\(Self.values)},\"data\":[]}").first)
    let key = OrderKey(instant: Self.instant.flooredToMinute, rank: .data, factID: "")
    #expect(fact.orderKey == key)
    #expect(fact.registers == ConnectionRegisters(of: .data, key: key))
    #expect(fact.registers.status == .pending)
  }

  @Test(arguments: [
    #"{"type":"auth_cancelled","status":"error","reference_id":"r"}"#,
    #"{"type":"auth","status":"error"}"#, #"{"type":"auth","status":"odd","user":{"user_id":"u"}}"#,
    #"{"type":"google_no_datasource","user":{"user_id":"u"}}"#, #"{"type":"healthcheck"}"#,
    #"{"type":"rate_limit_hit","user":{"user_id":"u"}}"#, #"{"type":"large_request_sending","user":{"user_id":"u"}}"#,
    #"{"type":"something_new","user":{"user_id":"u"}}"#, #"{"type":"activity","data":[]}"#,
  ])
  func othersContributeNothing(body: String) throws {
    #expect(try Self.facts(body).isEmpty)
  }

  @Test func emptyAndNullValuesFillNothing() throws {
    let fact = try #require(
      try Self.facts(
        #"{"type":"auth","status":"success","user":{"user_id":"u","reference_id":"","provider":"","scopes":null}}"#
      ).first)
    #expect(fact.registers.referenceID == nil)
    #expect(fact.registers.resource == nil)
    #expect(fact.registers.scopes == nil)
  }

  @Test func reauthenticationEndsTheOldAndBeginsTheNew() throws {
    let facts = try Self.facts(
      #"""
      {"type":"user_reauth","new_user":{"user_id":"b","provider":"GARMIN","scopes":"N"},
       "old_user":{"user_id":"a","reference_id":"r","provider":"FITBIT","scopes":"O"}}
      """#)
    #expect(facts.map(\.userID) == ["a", "b"])
    let superseded = OrderKey(instant: Self.instant, rank: .superseded, factID: "f")
    let auth = OrderKey(instant: Self.instant, rank: .auth, factID: "f")
    #expect(
      facts[0].registers
        == ConnectionRegisters(
          of: .superseded(by: "b"), key: superseded,
          attributes: .init(referenceID: "r", resource: "FITBIT", scopes: "O")))
    #expect(
      facts[1].registers
        == ConnectionRegisters(
          of: .auth, key: auth, attributes: .init(referenceID: "r", resource: "GARMIN", scopes: "N")))
  }

  @Test func reauthenticationKeepsTheNewReferenceIDApartFromTheOld() throws {
    let facts = try Self.facts(
      #"""
      {"type":"user_reauth","new_user":{"user_id":"b","reference_id":"new"},
       "old_user":{"user_id":"a","reference_id":"old"}}
      """#)
    #expect(facts.map(\.registers.referenceID?.value) == ["old", "new"])
  }

  @Test func factsComeInTheOrderOfTheIDs() throws {
    let facts = try Self.facts(#"{"type":"user_reauth","new_user":{"user_id":"A"},"old_user":{"user_id":"a"}}"#)
    #expect(facts.map(\.userID) == ["A", "a"])
  }

  @Test(arguments: ["null", #"{"user_id":null,"reference_id":"r"}"#, #"{"user_id":"b","reference_id":"r"}"#])
  func aNullOrEqualOldIDLeavesOnlyAnAuthentication(old: String) throws {
    let facts = try Self.facts(#"{"type":"user_reauth","new_user":{"user_id":"b"},"old_user":\#(old)}"#)
    #expect(facts.map(\.userID) == ["b"])
    #expect(facts.first?.registers.authKey != nil)
    #expect(facts.first?.registers.superseded == nil)
    #expect(facts.first?.registers.referenceID?.value == (old == "null" ? nil : "r"))
    #expect(try Self.facts(#"{"type":"user_reauth","new_user":{"user_id":"b"}}"#).map(\.userID) == ["b"])
  }

  @Test(
    arguments: [
      (1_767_225_600, nil, 1_767_225_600_999_999), (1_767_225_600, 1_767_225_600_000, 1_767_225_600_000_000),
      (1_767_225_600, 1_767_225_600_999, 1_767_225_600_999_000),
      (1_767_225_600, 1_767_225_601_000, 1_767_225_600_999_999),
      (1_767_225_600, 1_767_225_599_999, 1_767_225_599_999_000), (1_767_225_600, 0, 0),
      (1_767_225_600, -1, 1_767_225_600_999_999), (1_767_225_600, Int64.max, 1_767_225_600_999_999),
      (Int64.max, nil, Int64.max), (Int64.max, Int64.max, Int64.max), (Int64.min, nil, Int64.min + 999_999),
      (Int64.min, Int64.min, Int64.min + 999_999), (0, nil, 999_999), (-5, 0, -4_000_001),
    ] as [(Int64, Int64?, Int64)])
  func instantOfASignedEvent(t: Int64, ordering: Int64?, microseconds: Int64) {
    let instant = Instant.ofSignedEvent(t: t, orderingTimestampMilliseconds: ordering)
    #expect(instant.microseconds == microseconds)
  }

  @Test func everyMillisecondOfTheSignedSecondCounts() {
    for millisecond in 0..<1_000 as Range<Int64> {
      let ordering = 1_767_225_600_000 + millisecond
      let instant = Instant.ofSignedEvent(t: 1_767_225_600, orderingTimestampMilliseconds: ordering)
      #expect(instant.microseconds == ordering * 1_000)
    }
  }

  @Test func readsTheOrderingHeader() {
    #expect(Instant.orderingTimestampMilliseconds(headerValue: " 1767225600123 ") == 1_767_225_600_123)
    for bad in [nil, "", "x", "-1", "+1", "1.5", "1e3", "9999999999999999999", "1 2"] as [String?] {
      #expect(Instant.orderingTimestampMilliseconds(headerValue: bad) == nil)
    }
  }
}
