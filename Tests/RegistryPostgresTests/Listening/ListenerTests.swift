import Foundation
import Logging
import RegistryPostgres
import ServiceLifecycle
import TestDatabase
import Testing

@Suite(.database)
struct ListenerTests {
  typealias Element = PostgresNotifications.Element

  private func withListener(
    _ configure: (inout PostgresListener.Configuration) -> Void = { _ in },
    _ body: (PostgresListener) async throws -> sending Void
  ) async throws {
    var configuration = PostgresListener.Configuration(TestDatabase.current)
    configuration.applicationName = "listener"
    // What only the probe would set right must not pass.
    configuration.probeInterval = .seconds(3600)
    configure(&configuration)
    try await PostgresListener.withListener(
      configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, body)
  }

  private func notify(_ pool: PostgresPool, _ channel: String, _ payload: String = "") async throws {
    try await pool.execute("SELECT pg_notify($1, $2)", [.text(channel), .text(payload)])
  }

  private func payload(_ element: Element?) -> String? {
    if case .notification(let notification)? = element { notification.payload } else { nil }
  }

  private let ownConnections =
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'listener'"

  @Test(.timeLimit(.minutes(20))) func handsOutNotificationsInTheOrderOfTheirCommits() async throws {
    try await withTestPool { pool in
      try await withListener { listener in
        let (ready, readyInput) = AsyncStream.makeStream(of: Void.self)
        let subscribers = (0..<3).map { _ in
          Task {
            var seen: [String] = []
            for await element in try listener.notifications(on: "Work \"1\"") {
              switch element {
              case .resumed: readyInput.yield()
              case .elapsed: Issue.record("nobody asked for it")
              case .notification(let notification):
                #expect(notification.channel == "Work \"1\"")
                seen.append(notification.payload)
              }
              if seen.count == 100 { break }
            }
            return seen
          }
        }
        var readiness = ready.makeAsyncIterator()
        for _ in subscribers { await readiness.next() }
        #expect(listener.isListening)
        for number in 0..<100 { try await notify(pool, "Work \"1\"", "\(number)") }
        for subscriber in subscribers { #expect(try await subscriber.value == (0..<100).map(String.init)) }
        #expect(try await pool.execute(ownConnections).count == 1, "all share one connection")
      }
      try await waitUntil("NOT EXISTS (\(ownConnections))")
    }
  }

  @Test(.timeLimit(.minutes(20))) func namesTheProcessThatSentIt() async throws {
    try await withTestPool { pool in
      try await withListener { listener in
        var iterator = try listener.notifications(on: "work").makeAsyncIterator()
        #expect(await iterator.next() == .resumed)
        let sender = try await pool.withConnection { connection in
          try await connection.execute("NOTIFY work, 'it'")
          return connection.backendPID
        }
        let expected = PostgresNotification(channel: "work", payload: "it", processID: sender)
        #expect(await iterator.next() == .notification(expected))
      }
    }
  }

  @Test(.timeLimit(.minutes(20))) func listensAgainAfterItsBackendWasEnded() async throws {
    try await withTestPool { pool in
      try await withListener { listener in
        var iterator = try listener.notifications(on: "work").makeAsyncIterator()
        #expect(await iterator.next() == .resumed)
        for round in 0..<3 {
          let pid = try await pool.execute(ownConnections).rows[0].decode("pid", as: Int32.self)
          try await terminate(pid)
          // Sent to nobody, or to the next connection: all that can happen is that it comes twice over.
          try await notify(pool, "work", "lost \(round)")
          #expect(await iterator.next() == .resumed)
          #expect(listener.failure == nil)
          try await notify(pool, "work", "heard \(round)")
          var next = payload(await iterator.next())
          if next == "lost \(round)" { next = payload(await iterator.next()) }
          #expect(next == "heard \(round)")
        }
        #expect(try await pool.execute(ownConnections).count == 1)
      }
      try await waitUntil("NOT EXISTS (\(ownConnections))")
    }
  }

  @Test(.timeLimit(.minutes(20))) func unsubscribedChannelsGetNothing() async throws {
    try await withTestPool { pool in
      try await withListener { listener in
        var kept = try listener.notifications(on: "kept").makeAsyncIterator()
        #expect(await kept.next() == .resumed)
        do {
          var left = try listener.notifications(on: "left").makeAsyncIterator()
          #expect(await left.next() == .resumed)
        }
        // A server tells its list of channels to nobody else, but what was last asked of it.
        try await waitUntil(
          "EXISTS (\(ownConnections) AND query = 'UNLISTEN \"left\"' AND state = 'idle')")
        try await notify(pool, "left", "to nobody")
        try await notify(pool, "kept", "1")
        #expect(payload(await kept.next()) == "1")
        var back = try listener.notifications(on: "left").makeAsyncIterator()
        #expect(await back.next() == .resumed)
        try await notify(pool, "left", "2")
        #expect(payload(await back.next()) == "2")
      }
    }
  }

  @Test(.timeLimit(.minutes(20))) func aSlowSubscriberIsToldToLookAgain() async throws {
    try await withTestPool { pool in
      try await withListener({ $0.maximumBuffered = 10 }) { listener in
        var slow = try listener.notifications(on: "work", atLeastEvery: .milliseconds(1)).makeAsyncIterator()
        var other = try listener.notifications(on: "other").makeAsyncIterator()
        while await slow.next() != .resumed {}
        #expect(await other.next() == .resumed)
        try await pool.execute("SELECT count(pg_notify('work', n::text)) FROM generate_series(1, 1000) AS n")
        try await notify(pool, "other")
        #expect(payload(await other.next()) == "", "by now the thousand before it have been handed out")
        var elements: [Element] = []
        while let element = await slow.next(), element != .elapsed { elements.append(element) }
        #expect(elements.first == .resumed)
        #expect(elements.count <= 10)
        try await notify(pool, "work", "end")
        var last = await slow.next()
        while last == .elapsed { last = await slow.next() }
        #expect(payload(last) == "end")
      }
    }
  }

  @Test(.timeLimit(.minutes(20))) func wakesASubscriberFromTimeToTime() async throws {
    try await withListener { listener in
      var iterator = try listener.notifications(on: "work", atLeastEvery: .milliseconds(20)).makeAsyncIterator()
      var elements: [Element?] = []
      while elements.filter({ $0 == .elapsed }).count < 3 || !elements.contains(.resumed) {
        elements.append(await iterator.next())
      }
      #expect(!elements.contains(nil))
    }
    // Also where nobody runs the listener.
    let idle = PostgresListener(configuration: .init("host=127.0.0.1"), logger: Logger(label: "test"))
    var iterator = try idle.notifications(on: "work", atLeastEvery: .milliseconds(1)).makeAsyncIterator()
    #expect(await iterator.next() == .elapsed)
  }

  @Test(.timeLimit(.minutes(20))) func replacesABackendThatDoesNotAnswer() async throws {
    try await withTestPool { pool in
      try await withListener({
        $0.probeInterval = .milliseconds(50)
        $0.answerTimeout = .milliseconds(200)
      }) { listener in
        var iterator = try listener.notifications(on: "work").makeAsyncIterator()
        #expect(await iterator.next() == .resumed)
        let pid = try await pool.execute(ownConnections).rows[0].decode("pid", as: Int32.self)
        // Its socket stays open and its kernel answers for it: only a question finds out.
        try #require(kill(pid, SIGSTOP) == 0, "the tests must run as root or as the server's account")
        defer { kill(pid, SIGCONT) }
        #expect(await iterator.next() == .resumed)
        try await notify(pool, "work", "heard")
        #expect(payload(await iterator.next()) == "heard")
      }
    }
  }

  @Test(.timeLimit(.minutes(20))) func aCancelledSubscriberEndsAndLeaves() async throws {
    try await withTestPool { pool in
      try await withListener { listener in
        let (ready, readyInput) = AsyncStream.makeStream(of: Void.self)
        let subscriber = Task {
          var count = 0
          for await _ in try listener.notifications(on: "work") {
            count += 1
            readyInput.yield()
          }
          return count
        }
        for await _ in ready { break }
        subscriber.cancel()
        #expect(try await subscriber.value == 1)
        var other = try listener.notifications(on: "other").makeAsyncIterator()
        #expect(await other.next() == .resumed)
        try await notify(pool, "other", "1")
        #expect(payload(await other.next()) == "1")
      }
    }
  }

  @Test(.timeLimit(.minutes(20))) func aShutdownEndsTheSequences() async throws {
    var configuration = PostgresListener.Configuration(TestDatabase.current)
    configuration.probeInterval = .seconds(3600)
    let listener = PostgresListener(configuration: configuration, logger: Logger(label: "test"))
    let group = ServiceGroup(services: [listener], logger: Logger(label: "test"))
    let running = Task { try await group.run() }
    var iterator = try listener.notifications(on: "work").makeAsyncIterator()
    #expect(await iterator.next() == .resumed)
    await group.triggerGracefulShutdown()
    #expect(await iterator.next() == nil)
    try await running.value
    var late = try listener.notifications(on: "work").makeAsyncIterator()
    #expect(await late.next() == nil)
    #expect(await postgresError { try await listener.run() }?.code == .closed)
    #expect(listener.failure == nil)
  }

  @Test(.timeLimit(.minutes(20))) func aCancelledRunEndsTheSequences() async throws {
    var configuration = PostgresListener.Configuration(TestDatabase.current)
    configuration.probeInterval = .seconds(3600)
    let listener = PostgresListener(configuration: configuration, logger: Logger(label: "test"))
    var iterator = try listener.notifications(on: "work").makeAsyncIterator()
    let running = Task { try await listener.run() }
    #expect(await iterator.next() == .resumed)
    running.cancel()
    #expect(await iterator.next() == nil)
    try await running.value
  }

  @Test func refusesAChannelThatCannotBeOne() async throws {
    let listener = PostgresListener(configuration: .init(TestDatabase.current), logger: Logger(label: "test"))
    for name in ["", "a\0b", String(repeating: "ä", count: 32)] {
      let error = await postgresError { try listener.notifications(on: name) }
      #expect(error?.code == .invalidParameter)
      #expect(error?.description.contains("1 to 63 bytes") == true)
    }
    #expect(await postgresError { try listener.notifications(on: "a", atLeastEvery: .zero) }?.code == .invalidParameter)
    let longest = String(repeating: "ä", count: 31) + "!"
    try await withTestPool { pool in
      try await withListener { listener in
        var iterator = try listener.notifications(on: longest).makeAsyncIterator()
        #expect(await iterator.next() == .resumed)
        try await notify(pool, longest, "1")
        #expect(payload(await iterator.next()) == "1")
      }
    }
  }

  @Test(
    arguments: [
      { $0.maximumBuffered = 0 }, { $0.probeInterval = .zero }, { $0.answerTimeout = .zero }, { $0.role = "" },
      { $0.connectionString = "host=localhost password=hunter2 hunter2" },
    ] as [@Sendable (inout PostgresListener.Configuration) -> Void])
  func refusesAConfigurationThatCannotWork(
    change: @Sendable (inout PostgresListener.Configuration) -> Void
  ) async throws {
    let error = await postgresError { try await withListener(change) { _ in } }
    #expect(error?.code == .invalidConfiguration)
    #expect(!String(reflecting: error).contains("hunter2"))
    var configuration = PostgresListener.Configuration(TestDatabase.current)
    change(&configuration)
    let listener = PostgresListener(configuration: configuration, logger: Logger(label: "test"))
    #expect(await postgresError { try await listener.run() }?.code == .invalidConfiguration)
    #expect(listener.failure?.code == .invalidConfiguration)
    var iterator = try listener.notifications(on: "work").makeAsyncIterator()
    #expect(await iterator.next() == nil)
    var dumped = ""
    dump(configuration, to: &dumped)
    for text in ["\(configuration)", String(reflecting: configuration), dumped] { #expect(!text.contains("hunter2")) }
  }
}
