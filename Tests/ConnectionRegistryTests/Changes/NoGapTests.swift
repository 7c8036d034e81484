@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryPostgres
import TestDatabase
import TestRandom
import Testing

/// A reader that continues behind what it has read overlooks nothing, whatever order transactions commit in.
@Suite("The change feed has no gap", .migratedDatabase)
struct NoGapTests {
  /// Transactions A, B, C begin in this order and write in `writes`' order, then commit in `commits`' order; the reader
  /// looks after each step.
  struct Schedule: Sendable, CustomTestStringConvertible {
    var writes: [Int]
    var commits: [Int]

    var testDescription: String { "write \(writes), commit \(commits)" }

    static let all: [Schedule] = [[0, 1, 2], [2, 1, 0], [1, 0, 2]].flatMap { writes in
      [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]].map { Schedule(writes: writes, commits: $0) }
    }
  }

  /// Runs a schedule with transactions that are held open, and looks after each of its steps.
  private func run(_ schedule: Schedule, on stage: Stage, look: @Sendable () async throws -> Void) async throws {
    let writer = FeedWriter(tenant: stage.slug)
    let gates = schedule.commits.map { _ in AsyncStream<Void>.makeStream() }
    let written = AsyncStream<Int>.makeStream()
    let committed = AsyncStream<Int>.makeStream()
    try await withThrowingTaskGroup(of: Void.self) { group in
      var steps = written.stream.makeAsyncIterator()
      for number in schedule.writes {
        group.addTask {
          try await stage.owner.withTransaction { transaction in
            try await writer.change("user-\(number)", in: transaction)
            written.continuation.yield(number)
            for await _ in gates[number].stream {}
          }
          committed.continuation.yield(number)
        }
        // The id of a transaction is given with its first write, so the next writes only after it.
        _ = await steps.next()
        try await look()
      }
      var ends = committed.stream.makeAsyncIterator()
      for number in schedule.commits {
        gates[number].continuation.finish()
        _ = await ends.next()
        try await look()
      }
      try await group.waitForAll()
    }
  }

  @Test("with three transactions in every order", arguments: Schedule.all)
  func everyOrder(schedule: Schedule) async throws {
    try await withStage { stage in
      let reading = NIOLockedValueBox(FeedReading())
      try await run(schedule, on: stage) {
        var now = reading.withLockedValue { $0 }
        try await now.catchUp(stage)
        reading.withLockedValue { [now] in $0 = now }
      }
      var all = reading.withLockedValue { $0 }
      try await all.finish(stage)
      let faults = try await all.faults(stage)
      #expect(faults == [])
    }
  }

  @Test("and the same test finds what a reader overlooks that goes by the greatest position seen")
  func findsGaps() async throws {
    try await withStage { stage in
      let reading = NIOLockedValueBox(FeedReading())
      try await run(Schedule(writes: [0, 1, 2], commits: [2, 1, 0]), on: stage) {
        var now = reading.withLockedValue { $0 }
        try await now.catchUpBlindly(stage)
        reading.withLockedValue { [now] in $0 = now }
      }
      let faults = try await reading.withLockedValue { $0 }.faults(stage)
      #expect(faults == ["user-0/1 is missing", "user-1/1 is missing"])
    }
  }

  @Test("where an older transaction writes a connection after a younger one did, its change comes behind")
  func olderWritesLater() async throws {
    try await withStage { stage in
      let writer = FeedWriter(tenant: stage.slug)
      var reading = FeedReading()
      try await stage.owner.withTransaction { older in
        try await writer.change("other", in: older)
        try await stage.owner.withTransaction { younger in try await writer.change("shared", in: younger) }
        try await writer.change("shared", in: older)
      }
      try await reading.finish(stage)
      #expect(reading.names == ["other/1", "shared/1", "shared/2"])
      #expect(reading.places[1].position == reading.places[2].position)
    }
  }

  @Test("with many writers, slow commits, aborted transactions and connections that many share", arguments: 1...4)
  func randomly(round: Int) async throws {
    let seed = TestSeed.take("randomly \(round)")
    let writers = 8
    let transactions = ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1" ? 100 : 25
    try await withStage { stage in
      let writer = FeedWriter(tenant: stage.slug)
      let running = NIOLockedValueBox(writers)
      var settings = PostgresPool.Configuration.patient(TestDatabase.current)
      settings.maximumConnections = writers
      var reading = FeedReading()
      try await PostgresPool.withPool(settings, logger: stage.registry.logger) { pool in
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in 0..<writers {
            var generator = SeededGenerator(seed: seed &+ UInt64(number))
            let plans = (0..<transactions).map { _ in
              // In one order for all, so that they wait for each other but not in a circle.
              (
                users: Set(
                  (0..<Int.random(in: 1...3, using: &generator)).map { _ in
                    Int.random(in: 0..<12, using: &generator)
                  }
                ).sorted(), work: Int.random(in: 0...60_000, using: &generator),
                aborts: Int.random(in: 0..<8, using: &generator) == 0
              )
            }
            group.addTask {
              defer { running.withLockedValue { $0 -= 1 } }
              for plan in plans {
                try? await pool.withTransaction { transaction in
                  for user in plan.users { try await writer.change("user-\(user)", in: transaction) }
                  // The server has work to do before the commit, so that others overtake it.
                  try await transaction.execute("SELECT count(*) FROM generate_series(1, $1)", [.int(plan.work)])
                  if plan.aborts { throw CancellationError() }
                }
              }
            }
          }
          while running.withLockedValue({ $0 }) > 0 { try await reading.catchUp(stage) }
          try await group.waitForAll()
        }
      }
      try await reading.finish(stage)
      let faults = try await reading.faults(stage)
      #expect(faults == [])
      #expect(reading.places.count > transactions)
    }
  }
}
