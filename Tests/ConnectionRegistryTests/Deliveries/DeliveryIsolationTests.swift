@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
import TestDatabase
import TestReceiver
import Testing

/// Many at once: tenants, replicas, writers, endpoints that come while changes are written.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct DeliveryIsolationTests {
  @Test func aDeadEndpointDelaysOnlyItsOwnTenant() async throws {
    let settings = DeliveryConfiguration.forTests {
      $0.deadline = .seconds(30)
      $0.lease = .seconds(90)
    }
    try await Receiver.with({ $0.target.hasSuffix("/dead") ? .hang : .answer(200) }) { receiver in
      try await withStage(.delivering(settings, slugs: ["acme", "globex"])) { stage in
        for _ in 0..<3 { _ = try await stage.addEndpoint(receiver, tenant: "acme", path: "/dead") }
        _ = try await stage.addEndpoint(receiver, tenant: "globex", path: "/living")
        for number in 0..<20 { try await stage.change("user-\(number)", 1, tenant: "acme") }
        await receiver.wait { $0.count >= 3 * settings.concurrency }
        let clock = ContinuousClock()
        let began = clock.now
        try await stage.change("user-x", 10, tenant: "globex")
        await receiver.wait(taken: 10)
        #expect(clock.now - began < .seconds(10), "hanging attempts of another tenant were waited for")
        #expect(try sequences(receiver.taken) == ["user-x": Array(1...10)])
      }
    }
  }

  /// Two replicas share the work: nothing goes out twice, and no connection has two deliveries under way.
  @Test func replicasShareTheWorkInOrder() async throws {
    let underway = NIOLockedValueBox<[String: Int]>([:])
    let overlaps = NIOLockedValueBox(0)
    try await Receiver.with({ request in
      let user = ((try? DeliveredChange(request).data.change.userID) ?? "") + request.target
      let others = underway.withLockedValue { all in
        defer { all[user, default: 0] += 1 }
        return all[user, default: 0]
      }
      if others > 0 { overlaps.withLockedValue { $0 += 1 } }
      for _ in 0..<20 { await Task.yield() }
      underway.withLockedValue { $0[user, default: 0] -= 1 }
      return .answer(200)
    }) { receiver in
      // An attempt that times out on a busy machine would rightly be made twice.
      let settings = DeliveryConfiguration.forTests {
        $0.deadline = .seconds(20)
        $0.lease = .seconds(60)
      }
      try await withStage(.delivering(settings)) { stage in
        for number in 0..<3 { _ = try await stage.addEndpoint(receiver, path: "/\(number)") }
        try await withReplica(of: stage) { replica in
          try await withThrowingTaskGroup(of: Void.self) { group in
            for user in 0..<12 {
              group.addTask { try await (user % 2 == 0 ? stage : replica).change("user-\(user)", 10) }
            }
            try await group.waitForAll()
          }
          await receiver.wait(taken: 3 * 12 * 10)
          try await stage.settleDeliveries()
        }
        for path in ["/0", "/1", "/2"] {
          let requests = receiver.requests.filter { $0.target.hasSuffix(path) }
          #expect(requests.count == 120, "a delivery went out twice")
          let expected = Dictionary(uniqueKeysWithValues: (0..<12).map { ("user-\($0)", Array(Int64(1)...10)) })
          #expect(try sequences(requests) == expected)
        }
      }
    }
    #expect(overlaps.withLockedValue { $0 } == 0, "two deliveries of a connection were under way at once")
  }

  /// A replica that died with the lease in hand delays its endpoints until the lease is over, and no longer.
  @Test func aLeaseThatWasNotGivenBackLapses() async throws {
    try await Receiver.with { receiver in
      let settings = DeliveryConfiguration.forTests {
        $0.lease = .seconds(3)
      }
      try await withStage(.delivering(settings)) { stage in
        _ = try await stage.addEndpoint(receiver)
        try await stage.owner.execute(
          "UPDATE registry.endpoint SET lease_id = $1, lease_until = now() + interval '2 seconds'", [.uuid(UUID())])
        let clock = ContinuousClock()
        let began = clock.now
        try await stage.change("user-1", 1)
        await receiver.wait(taken: 1)
        #expect(clock.now - began > .seconds(1), "the lease of another was not respected")
      }
    }
  }

  /// An endpoint that is added while changes are written gets each that is begun later, from some number on without a
  /// gap: of those under way at that moment it gets what is committed behind it.
  @Test(arguments: [0, 2]) func anEndpointAddedInTheMiddleMissesNothing(lanes: Int) async throws {
    try await Receiver.with { receiver in
      try await withStage(.delivering(lanes: lanes)) { stage in
        let isAdded = NIOLockedValueBox(false)
        let begun = NIOLockedValueBox<[String: Int]>([:])
        let committed = NIOLockedValueBox<[String: Int]>([:])
        let known = try await withThrowingTaskGroup(of: [String: Int]?.self) { group in
          for user in 0..<6 {
            group.addTask {
              for number in 0..<40 {
                let afterwards = isAdded.withLockedValue { $0 }
                begun.withLockedValue { $0["user-\(user)"] = number + 1 }
                try await stage.change("user-\(user)", 1, from: number)
                committed.withLockedValue { $0["user-\(user)"] = number + 1 }
                if afterwards && number > 25 { break }
              }
              return nil
            }
          }
          group.addTask {
            while committed.withLockedValue({ $0.values.reduce(0, +) }) < 40 { await Task.yield() }
            _ = try await stage.addEndpoint(receiver)
            let before = begun.withLockedValue { $0 }
            isAdded.withLockedValue { $0 = true }
            return before
          }
          return try await group.reduce(into: [String: Int]()) { all, part in
            if let part { all = part }
          }
        }
        try await stage.settleDeliveries()
        let told = try sequences(receiver.taken)
        for (user, last) in committed.withLockedValue({ $0 }) {
          let numbers = told[user] ?? []
          let first = try #require(numbers.first)
          #expect(numbers == Array(first...Int64(last)), "\(user)")
          #expect(
            first <= Int64(known[user] ?? 0) + 1, "\(user): a change begun after the endpoint was added is missing")
        }
      }
    }
  }

  /// What an endpoint could not take while it was away for long is due as soon as it answers again.
  @Test func goesOnAtOnceAfterAnOutage() async throws {
    let clock = MovedClock()
    let settings = DeliveryConfiguration.forTests(clock: clock) {
      $0.firstRetry = .seconds(600)
    }
    let isAway = NIOLockedValueBox(true)
    try await Receiver.with({ _ in isAway.withLockedValue { $0 } ? .answer(503) : .answer(200) }) { receiver in
      try await withStage(.delivering(settings)) { stage in
        _ = try await stage.addEndpoint(receiver)
        for number in 0..<10 { try await stage.change("user-\(number)", 2) }
        try await stage.waitForAttempts("delivery WHERE attempts = 1") { $0 >= 10 }
        isAway.withLockedValue { $0 = false }
        clock.move(seconds: 120)
        try await stage.change("user-new", 1)
        try await stage.settleDeliveries()
        #expect(try sequences(receiver.taken).count == 11)
      }
    }
  }
}
