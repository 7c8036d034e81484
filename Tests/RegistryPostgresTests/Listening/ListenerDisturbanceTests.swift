import Foundation
import Logging
import RegistryPostgres
import TestDatabase
import TestRandom
import Testing

/// What a listener promises whatever happens to its connection.
@Suite(.database)
struct ListenerDisturbanceTests {
  private func withListener(_ body: (PostgresListener) async throws -> sending Void) async throws {
    var configuration = PostgresListener.Configuration(TestDatabase.current)
    configuration.applicationName = "listener"
    // What only the probe would set right must not pass.
    configuration.probeInterval = .seconds(3600)
    try await PostgresListener.withListener(
      configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, body)
  }

  /// A counter is raised and its subscribers are notified, while the listener's backend is killed again and again.
  /// Nobody polls: whoever is not woken for the last value waits for ever.
  @Test(.timeLimit(.minutes(20))) func aLostNotificationOnlyCostsLatency() async throws {
    let seed = TestSeed.take()
    let last = 200
    try await withTestPool { pool in
      try await pool.execute("CREATE TABLE counter (value int)")
      try await pool.execute("INSERT INTO counter VALUES (0)")
      try await withListener { listener in
        try await withThrowingTaskGroup(of: Void.self) { group in
          for _ in 0..<4 {
            group.addTask {
              var value = 0
              for await _ in try listener.notifications(on: "counter") {
                let read = try await pool.execute("SELECT value FROM counter").rows[0].decode("value", as: Int.self)
                #expect(read >= value)
                value = read
                if value == last { break }
              }
              #expect(value == last)
            }
          }
          group.addTask {
            var random = SeededGenerator(seed: seed)
            for _ in 0..<last {
              if Int.random(in: 0..<8, using: &random) == 0 {
                try await pool.execute(
                  """
                  SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND application_name = 'listener'
                  """)
              }
              _ = try await pool.execute(
                PostgresBatch(statements: [
                  PostgresStatement("UPDATE counter SET value = value + 1"),
                  PostgresStatement("SELECT pg_notify('counter', '')"),
                ]))
            }
          }
          try await group.waitForAll()
        }
      }
    }
  }

  /// A subscription that comes while the listener waits, or is about to, must interrupt it: nothing else happens here
  /// that would.
  @Test(.timeLimit(.minutes(20))) func aSubscriberNeedsNobodyElseToBeHeard() async throws {
    try await withListener { listener in
      for round in 0..<1000 {
        var iterator = try listener.notifications(on: "channel \(round % 7)").makeAsyncIterator()
        #expect(await iterator.next() == .resumed)
      }
    }
  }

  @Test(.timeLimit(.minutes(20))) func subscribersComeAndGoWithoutWaitingForOneAnother() async throws {
    try await withTestPool { pool in
      try await withListener { listener in
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in 0..<16 {
            group.addTask {
              for round in 0..<25 {
                let channel = "channel \(number) \(round % 3)"
                var iterator = try listener.notifications(on: channel).makeAsyncIterator()
                #expect(await iterator.next() == .resumed)
                try await pool.execute("SELECT pg_notify($1, $2)", [.text(channel), .text("\(round)")])
                guard case .notification(let notification)? = await iterator.next() else {
                  Issue.record("woken for nothing")
                  continue
                }
                #expect(notification.payload == "\(round)")
              }
            }
          }
          try await group.waitForAll()
        }
      }
    }
  }
}
