import RegistryModel
import RegistryTerra
import Testing

/// Events joined in every order of arrival, each delivered twice: reauth chains, cycles, forks, nulls, scope deltas and
/// retries that were signed anew.
@Suite struct FoldCaseTests {
  private struct Delivery {
    let t: Int64
    let body: String
    var factID: String

    init(_ t: Int64, _ body: String, factID: String? = nil) {
      self.t = t
      self.body = body
      self.factID = factID ?? "f\(t)"
    }
  }

  private static func auth(_ id: String, _ more: String = "") -> String {
    #"{"type":"auth","status":"success","user":{"user_id":"\#(id)"\#(more)}}"#
  }

  private static func reauth(_ old: String?, _ new: String) -> String {
    let old = old.map { #"{"user_id":"\#($0)"}"# } ?? "null"
    return #"{"type":"user_reauth","new_user":{"user_id":"\#(new)"},"old_user":\#(old)}"#
  }

  private static func event(_ type: String, _ id: String, _ more: String = "") -> String {
    #"{"type":"\#(type)","user":{"user_id":"\#(id)"\#(more)}}"#
  }

  private static func permutations(of count: Int) -> [[Int]] {
    guard count > 0 else { return [[]] }
    return permutations(of: count - 1).flatMap { shorter in
      (0...shorter.count).map { position in
        var longer = shorter
        longer.insert(count - 1, at: position)
        return longer
      }
    }
  }

  /// The rows that the deliveries give, one per `user_id`; there is one answer, whatever the order.
  private static func rows(_ deliveries: [Delivery]) throws -> [String: ConnectionRegisters] {
    let facts = try deliveries.map { delivery in
      try TerraEvent.decode(delivery.body.utf8).facts(
        at: .ofSignedEvent(t: delivery.t, orderingTimestampMilliseconds: nil), factID: delivery.factID)
    }
    let answers = Set(
      permutations(of: deliveries.count).map { order in
        (order + order.reversed()).flatMap { facts[$0] }.reduce(into: [String: ConnectionRegisters]()) { rows, fact in
          rows[fact.userID] = (rows[fact.userID] ?? ConnectionRegisters()).joined(with: fact.registers)
        }
      })
    #expect(answers.count == 1)
    return try #require(answers.first)
  }

  private static func states(_ deliveries: [Delivery]) throws -> [String: String] {
    try rows(deliveries).mapValues { row in
      row.supersededBy.map { "superseded by \($0)" } ?? row.status.rawValue
    }
  }

  @Test func reauthenticationChain() throws {
    let states = try Self.states([
      Delivery(1, Self.auth("A")), Delivery(3, Self.reauth("A", "B")), Delivery(3, Self.auth("B"), factID: "g3"),
      Delivery(5, Self.reauth("B", "C")), Delivery(5, Self.auth("C"), factID: "g5"),
      Delivery(7, Self.event("deauth", "C")),
    ])
    #expect(states == ["A": "superseded by B", "B": "superseded by C", "C": "deauthenticated"])
  }

  @Test func reauthenticationOfItselfIsAnAuthentication() throws {
    #expect(try Self.states([Delivery(1, Self.auth("A")), Delivery(2, Self.reauth("A", "A"))]) == ["A": "active"])
    #expect(try Self.states([Delivery(2, Self.reauth(nil, "A"))]) == ["A": "active"])
  }

  @Test func cycle() throws {
    let states = try Self.states([
      Delivery(1, Self.auth("A")), Delivery(2, Self.reauth("A", "B")), Delivery(3, Self.reauth("B", "A")),
    ])
    #expect(states == ["A": "superseded by B", "B": "superseded by A"])
  }

  @Test func fork() throws {
    let states = try Self.states([
      Delivery(1, Self.auth("A")), Delivery(2, Self.reauth("A", "B"), factID: "x"),
      Delivery(2, Self.reauth("A", "C"), factID: "y"),
    ])
    #expect(states == ["A": "superseded by C", "B": "active", "C": "active"])
  }

  @Test func forkUnderOneKeyStillHasOneAnswer() throws {
    let states = try Self.states([
      Delivery(2, Self.reauth("A", "C"), factID: "x"), Delivery(2, Self.reauth("A", "B"), factID: "x"),
    ])
    #expect(states["A"] == "superseded by C")
  }

  @Test func aLateSuccessDoesNotResurrect() throws {
    #expect(
      try Self.states([Delivery(9, Self.auth("A")), Delivery(5, Self.event("deauth", "A"))])
        == ["A": "deauthenticated"])
    #expect(try Self.states([Delivery(5, Self.event("access_revoked", "A"))]) == ["A": "revoked"])
  }

  @Test func nullsEraseNothingAndScopesAreTheFullList() throws {
    let rows = try Self.rows([
      Delivery(1, Self.auth("A", #","reference_id":"X","scopes":"a,b","provider":"OURA""#)),
      Delivery(2, Self.auth("A", #","reference_id":null"#)),
      Delivery(3, Self.event("permission_change", "A", #","scopes":"a,b,c","reference_id":"Y""#)),
      Delivery(4, Self.event("connection_error", "A", #","scopes":null"#)),
    ])
    let row = try #require(rows["A"])
    #expect(row.referenceID?.value == "Y")
    #expect(row.scopes?.value == "a,b,c")
    #expect(row.resource?.value == "OURA")
    #expect(row.status == .degraded)
  }

  @Test func scopeDeltasAreEvidenceAndNotTheValue() throws {
    let rows = try Self.rows([
      Delivery(1, Self.auth("A", #","scopes":"a,b""#)),
      Delivery(2, #"{"type":"permission_change","scopes_added":"c","scopes_removed":"","user":{"user_id":"A"}}"#),
      Delivery(3, #"{"type":"permission_change","scopes_added":"","scopes_removed":"a","user":{"user_id":"A"}}"#),
    ])
    #expect(rows["A"]?.scopes?.value == "a,b")
    #expect(rows["A"]?.status == .active)
  }

  @Test func aRetrySignedAnewJoinsWithItsOwnKey() throws {
    let states = try Self.states([
      Delivery(10, Self.auth("A"), factID: "d1"), Delivery(60, Self.auth("A"), factID: "d2"),
      Delivery(50, Self.event("connection_error", "A")),
    ])
    #expect(states == ["A": "active"])
  }

  @Test func failureBeforeAndAfterASuccess() throws {
    let failure = #"{"type":"auth","status":"error","user":{"user_id":"A"}}"#
    #expect(try Self.states([Delivery(1, failure)]) == ["A": "failed"])
    #expect(try Self.states([Delivery(1, failure), Delivery(2, Self.auth("A"))]) == ["A": "active"])
    #expect(try Self.states([Delivery(2, failure), Delivery(1, Self.auth("A"))]) == ["A": "active"])
  }
}
