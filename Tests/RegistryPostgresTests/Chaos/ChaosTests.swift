import Foundation
import TestDatabase
import TestRandom
import Testing

@testable import RegistryPostgres

/// Random callers and random harms: each caller gets one answer, its own, and a true one; nothing is left behind.
@Suite(.database)
struct ChaosTests {
  private static let isLong = ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1"
  private static let worlds = 3

  @Test func everyCallerGetsOneTrueAnswerOfItsOwn() async throws {
    let schedules = Self.isLong ? 10_000 : 240
    let seed = TestSeed.take("\(schedules) random schedules")
    try await withTestPool({ $0.maximumConnections = 2 * Self.worlds }) { control in
      try await control.withConnection { try await $0.executeScript(ChaosWorld.tables) }
      let database = try await control.execute("SELECT current_database()::text AS name").rows[0]
        .decode("name", as: String.self)
      // Deadlocks are wanted, waiting for them is not.
      try await control.execute("ALTER DATABASE \"\(database)\" SET deadlock_timeout = '20ms'")
      let counter = Counter()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<Self.worlds {
          group.addTask {
            let world = try ChaosWorld(number: number, control: control)
            while let index = counter.next(below: schedules) {
              let schedule = ChaosSchedule(
                seed: seed &+ UInt64(index), firstToken: 64 * (index + 1), places: world.places.count)
              let strange = try await withWatchdog(seconds: 300, { "a caller was forgotten: \(schedule)" }) {
                try await world.run(schedule)
              }
              #expect(strange == [], "\(schedule)")
            }
            let left = try await withWatchdog(seconds: 60, { "a pool or lane does not end" }) {
              try await world.close()
            }
            #expect(left == [], "seed \(seed)")
          }
        }
        try await group.waitForAll()
      }
    }
  }
}

/// Hands out numbers, each once.
private final class Counter: @unchecked Sendable {
  // Guarded by the lock.
  private let lock = NSLock()
  private var value = 0

  func next(below limit: Int) -> Int? {
    lock.withLock {
      guard value < limit else { return nil }
      defer { value += 1 }
      return value
    }
  }
}
