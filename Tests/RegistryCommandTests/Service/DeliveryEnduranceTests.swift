import Foundation
import NIOConcurrencyHelpers
import TestRandom
import TestReceiver
import Testing

/// Every transition arrives, in the order of its connection, whatever the endpoint does and however often the service
/// is killed.
@Suite(.serialized) struct DeliveryEnduranceTests {
  private static let isLong = ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1"
  private static let writers = TransitionWriters(connections: isLong ? 200 : 40, changes: 50)
  private static let kills = 5
  private static let settings = [
    "REGISTRY_DELIVERY_ALLOW": "127.0.0.1", "REGISTRY_DELIVERY_DEADLINE": "1s", "REGISTRY_DELIVERY_LEASE": "3s",
    "REGISTRY_DELIVERY_FIRST_RETRY": "20ms",
  ]

  private static let illnesses: [Receiver.Behaviour] = [.answer(500), .garbage, .close, .hang, .trickle]

  /// What the endpoint does with its nth request: it is well, then ill in every way, then away, then well again.
  private static func behaviour(_ number: Int, of total: Int, _ generator: inout SeededGenerator) -> Receiver.Behaviour
  {
    // Each way once for certain; the rare ones would be missing from some runs.
    let since = number - total / 10
    if illnesses.indices.contains(since) { return illnesses[since] }
    switch number * 10 / total {
    case 4: return .answer(503)
    case 1...6:
      switch UInt64.random(in: 0..<1_000, using: &generator) {
      case 0..<60: return .answer(500)
      case 60..<100: return .garbage
      case 100..<140: return .close
      case 140..<143: return .hang
      case 143..<145: return .trickle
      default: return .answer(200)
      }
    default: return .answer(200)
    }
  }

  @Test(.timeLimit(.minutes(isLong ? 60 : 20))) func everyTransitionArrivesInOrderThoughTheServiceIsKilled()
    async throws
  {
    let total = Self.writers.total
    let seed = TestSeed.take("\(total) transitions, \(Self.kills) kills")
    let script = NIOLockedValueBox((number: 0, generator: SeededGenerator(seed: seed)))
    let deployment = try await Deployment.make()
    try await Receiver.with { _ in
      script.withLockedValue { state in
        defer { state.number += 1 }
        return Self.behaviour(state.number, of: total, &state.generator)
      }
    } _: { receiver in
      _ = try await CommandLineTool.json(
        ["endpoint", "add", receiver.url, "--tenant", "acme"], database: deployment.database, environment: Self.settings
      )
      let address = ServiceAddress()
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await Self.writers.send(to: address) }
        for life in 0...Self.kills {
          try await deployment.serve(
            environment: Self.settings, isKilled: life < Self.kills
          ) { service in
            await address.become(service)
            await receiver.wait(taken: total * (life + 1) / (Self.kills + 1))
            guard life < Self.kills else {
              try await group.waitForAll()
              return try await Self.settle(deployment)
            }
            await address.retire()
            kill(service.processID, SIGKILL)
          }
        }
      }
      try Self.check(receiver)
      #expect(try await deployment.count("registry.connection_change") == total)
      #expect(try await deployment.count("registry.delivery WHERE state = 'delivered'") == total)
      #expect(Set(receiver.requests.map(\.behaviour)) == Set(Self.illnesses + [.answer(503), .answer(200)]))
    }
  }

  private static func settle(_ deployment: Deployment) async throws {
    while try await deployment.count("registry.delivery WHERE state = 'pending'") > 0 {}
  }

  /// Without what was sent again, each connection's changes have the numbers 1, 2, 3 … in this order.
  private static func check(_ receiver: Receiver) throws {
    var seen: Set<String> = []
    var sequences: [String: [Int]] = [:]
    for request in receiver.taken where seen.insert(request.id).inserted {
      let body = try #require(try JSONSerialization.jsonObject(with: Data(request.body.utf8)) as? [String: Any])
      let change = try #require((body["data"] as? [String: Any])?["change"] as? [String: Any])
      let userID = try #require(change["user_id"] as? String)
      sequences[userID, default: []].append(try #require(change["sequence"] as? Int))
    }
    #expect(sequences.count == writers.connections)
    for (userID, sequence) in sequences { #expect(sequence == Array(1...writers.changes), "\(userID)") }
  }
}
