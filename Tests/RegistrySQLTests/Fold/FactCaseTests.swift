import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL
import TestDatabase
import TestRandom
import Testing

/// Facts that once were, or could have been, a bug: each in all orders through the product's statements, each fact once more
/// at the end.
struct FactCase: Sendable, CustomTestStringConvertible {
  let name: String
  /// The events, each with the facts it gives.
  let events: [[ConnectionFact]]
  /// The status that each connection must show.
  let expected: [String: ConnectionStatus]
  /// Values that must stand, as column of connection.
  var values: [String: [String: String]] = [:]

  var testDescription: String { name }

  static func fact(
    _ userID: String, _ evidence: Evidence, at second: Int64, attributes: ConnectionAttributes = .none,
    id: String? = nil
  ) -> ConnectionFact {
    ConnectionFact(
      userID: userID, evidence: evidence, at: Instant(secondsSince1970: second), factID: id ?? "\(second)",
      attributes: attributes)
  }

  /// Both sides of a re-authentication; without an old id, or with the same, it is an authentication.
  static func reauth(_ old: String?, _ new: String, at second: Int64) -> [ConnectionFact] {
    let alive = fact(new, .auth, at: second)
    guard let old, old != new else { return [alive] }
    return [fact(old, .superseded(by: new), at: second), alive]
  }

  static let all: [FactCase] = [
    FactCase(
      name: "a chain of re-authentications",
      events: [
        [fact("A", .auth, at: 1)], reauth("A", "B", at: 3), reauth("B", "C", at: 5),
        [fact("C", .deauthenticated, at: 7)],
      ],
      expected: ["A": .superseded, "B": .superseded, "C": .deauthenticated],
      values: ["A": ["superseded_by": "B"], "B": ["superseded_by": "C"]]),
    FactCase(
      name: "a re-authentication of the same id", events: [[fact("A", .auth, at: 1)], reauth("A", "A", at: 2)],
      expected: ["A": .active]),
    FactCase(
      name: "a re-authentication without an old id",
      events: [reauth(nil, "B", at: 2), [fact("B", .connectionError, at: 1)]],
      expected: ["B": .active]),
    FactCase(
      name: "a cycle", events: [[fact("A", .auth, at: 1)], reauth("A", "B", at: 2), reauth("B", "A", at: 3)],
      expected: ["A": .superseded, "B": .superseded],
      values: ["A": ["superseded_by": "B"], "B": ["superseded_by": "A"]]),
    FactCase(
      name: "a fork at one instant",
      events: [[fact("A", .auth, at: 1)], reauth("A", "B", at: 2), reauth("A", "C", at: 2)],
      expected: ["A": .superseded, "B": .active, "C": .active], values: ["A": ["superseded_by": "C"]]),
    FactCase(
      name: "the old id was never seen", events: [reauth("A", "B", at: 2)], expected: ["A": .superseded, "B": .active]),
    FactCase(
      name: "a correction between two endings",
      events: [
        [fact("A", .deauthenticated, at: 5)], [fact("A", .correction(.alive), at: 10)], [fact("A", .revoked, at: 20)],
      ], expected: ["A": .revoked]),
    FactCase(
      name: "a correction un-ends",
      events: [
        [fact("A", .auth, at: 1)], [fact("A", .deauthenticated, at: 5)], [fact("A", .correction(.alive), at: 10)],
      ],
      expected: ["A": .active]),
    FactCase(
      name: "a correction does not clear a degradation",
      events: [
        [fact("A", .auth, at: 1)], [fact("A", .connectionError, at: 8)], [fact("A", .correction(.alive), at: 10)],
      ],
      expected: ["A": .degraded]),
    FactCase(
      name: "gone stays gone until a correction says otherwise",
      events: [[fact("A", .correction(.gone), at: 1)], [fact("A", .auth, at: 2)]], expected: ["A": .revoked]),
    FactCase(
      name: "gone, then alive again",
      events: [
        [fact("A", .auth, at: 1)], [fact("A", .correction(.gone), at: 3)], [fact("A", .correction(.alive), at: 4)],
        [fact("A", .revoked, at: 2)],
      ], expected: ["A": .active]),
    FactCase(
      name: "a null erases nothing",
      events: [
        [fact("A", .auth, at: 1, attributes: .init(referenceID: "x", resource: "FITBIT"))],
        [fact("A", .auth, at: 2, attributes: .init(referenceID: nil, resource: ""))],
        [fact("A", .auth, at: 3, attributes: .init(referenceID: "y"))], [fact("A", .auth, at: 4)],
      ], expected: ["A": .active], values: ["A": ["reference_id": "y", "resource": "FITBIT"]]),
    FactCase(
      name: "scopes are the latest full list",
      events: [
        [fact("A", .auth, at: 1, attributes: .init(scopes: "a,b"))],
        [fact("A", .permissionChange, at: 2, attributes: .init(scopes: "a,b,c"))],
        [fact("A", .permissionChange, at: 3, attributes: .init(scopes: "b,c"))],
      ], expected: ["A": .active], values: ["A": ["scopes": "b,c"]]),
    FactCase(
      name: "a retry signed anew joins with its own key",
      events: [
        [fact("A", .auth, at: 10, id: "tr1")], [fact("A", .auth, at: 60, id: "tr1")],
        [fact("A", .connectionError, at: 50)],
      ], expected: ["A": .active]),
    FactCase(
      name: "two values under one key: the greater by its bytes",
      events: [
        [fact("A", .auth, at: 1, attributes: .init(referenceID: "Z"), id: "e")],
        [fact("A", .auth, at: 1, attributes: .init(referenceID: "a"), id: "e")],
        [fact("A", .auth, at: 1, attributes: .init(referenceID: "é"), id: "e")],
      ], expected: ["A": .active], values: ["A": ["reference_id": "é"]]),
    FactCase(
      name: "data clears a degradation and is no sign of life",
      events: [[fact("A", .connectionError, at: 60)], [fact("A", .data, at: 130)], [fact("B", .data, at: 130)]],
      expected: ["A": .active, "B": .pending]),
    FactCase(
      name: "instants beyond what a key holds",
      events: [
        [ConnectionFact(userID: "A", evidence: .auth, at: Instant(microseconds: .min), factID: "a")],
        [ConnectionFact(userID: "A", evidence: .revoked, at: Instant(microseconds: .max), factID: "b")],
        [ConnectionFact(userID: "A", evidence: .data, at: Instant(microseconds: .max), factID: "c")],
      ], expected: ["A": .revoked]),
  ]
}

@Suite("Cases of facts, in all orders, through the service's own statements", .migratedDatabase)
struct FactCaseTests {
  @Test("the row is that of the pure join, and the change log leads to it", arguments: FactCase.all)
  func allOrders(factCase: FactCase) async throws {
    try await withDatabase { owner in
      try await withDatabase(role: "registry_service") { service in
        let expected = FactWriter.State.joined(factCase.events.flatMap { $0 })
        #expect(expected.mapValues(\.status) == factCase.expected.mapValues(\.rawValue))
        for (number, order) in ArrivalOrders.permutations(of: factCase.events).enumerated() {
          let writer = try await FactWriter.make(service, slug: "order-\(number)", owner: owner)
          for event in order + [order[number % order.count]] { try await writer.write(event) }
          let states = try await writer.states()
          #expect(states == expected, "order \(number)")
          let changes = try await writer.changes()
          #expect(changes?.mapValues(\.last) == factCase.expected.mapValues { $0.rawValue }, "order \(number)")
          for (userID, values) in factCase.values {
            for (column, value) in values { #expect(states[userID]?.registers[column] == value, "order \(number)") }
          }
        }
      }
    }
  }

  @Test("a repeated fact writes nothing")
  func repetitionWritesNothing() async throws {
    try await withDatabase { owner in
      try await withDatabase(role: "registry_service") { service in
        let writer = try await FactWriter.make(service, slug: "repeats", owner: owner)
        let fact = FactCase.fact("A", .auth, at: 5, attributes: .init(referenceID: "x"))
        try await writer.write([fact])
        let version = try await owner.texts("SELECT c.xmin::text || c.ctid::text FROM registry.connection c")
        try await writer.write([fact])
        try await writer.write([FactCase.fact("A", .auth, at: 4)])
        let after = try await owner.texts("SELECT c.xmin::text || c.ctid::text FROM registry.connection c")
        // A conflicting insert locks the row, which may show in xmax only.
        #expect(after == version)
      }
    }
  }

  @Test("many writers at once leave one history without gaps, and the row of the pure join")
  func concurrentWriters() async throws {
    let seed = UInt64.random(in: .min ... .max)
    var generator = SeededGenerator(seed: seed)
    let kinds: [Evidence] = [
      .auth, .connectionError, .permissionChange, .failure, .revoked, .deauthenticated, .superseded(by: "heir"),
      .correction(.alive), .correction(.gone), .data,
    ]
    let facts = (0..<240).map { number in
      FactCase.fact(
        ["A", "B", "C"].randomElement(using: &generator) ?? "A", kinds.randomElement(using: &generator) ?? .auth,
        at: Int64.random(in: 0..<400, using: &generator), id: "\(number)")
    }
    let expected = FactWriter.State.joined(facts)
    try await withDatabase { owner in
      try await withDatabase(role: "registry_service") { service in
        let writer = try await FactWriter.make(service, slug: "crowd", owner: owner)
        try await withThrowingTaskGroup(of: Void.self) { group in
          for lane in 0..<8 {
            group.addTask {
              for fact in facts.enumerated() where fact.offset % 8 == lane { try await writer.write([fact.element]) }
            }
          }
          try await group.waitForAll()
        }
        let states = try await writer.states()
        #expect(states == expected, "seed \(seed)")
        let changes = try await writer.changes()
        #expect(changes?.mapValues(\.last) == expected.mapValues { $0.status }, "seed \(seed)")
      }
    }
  }
}
