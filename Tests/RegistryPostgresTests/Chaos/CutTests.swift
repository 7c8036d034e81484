import Foundation
import Logging
import TestDatabase
import Testing

@testable import RegistryPostgres

/// A short conversation over a link that is split, re-framed and cut at each of its points.
@Suite(.database)
struct CutTests {
  /// Who speaks with the server.
  enum Speaker: Sendable, CaseIterable {
    case pool, lane, idempotentLane
  }

  private static let isExhaustive = ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1"
  private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  /// Holds one conversation over the proxy with a pool or lane of its own, and then asks for one thing more.
  private func converse(
    _ speaker: Speaker, _ string: String, ledger: Ledger, firstToken: Int, timeout: Duration = .seconds(300),
    grace: Duration = .seconds(60)
  ) async throws -> Conversation.Transcript {
    let conversation = Conversation(ledger: ledger, firstToken: firstToken)
    switch speaker {
    case .pool:
      var configuration = PostgresPool.Configuration(string)
      configuration.maximumConnections = 1
      configuration.defaultTimeout = timeout
      configuration.cancelGrace = grace
      configuration.connectTimeout = max(grace * 10, .seconds(2))
      return try await PostgresPool.withPool(configuration, logger: Self.logger) { pool in
        let transcript = await conversation.hold(with: pool)
        try await next { try await pool.execute(PostgresStatement("SELECT 1"), deadline: $0) }
        return transcript
      }
    case .lane, .idempotentLane:
      var configuration = PostgresLane.Configuration(string)
      configuration.defaultTimeout = timeout
      configuration.cancelGrace = grace
      configuration.connectTimeout = max(grace * 10, .seconds(2))
      return try await PostgresLane.withLane(configuration, logger: Self.logger) { lane in
        let transcript = await conversation.hold(with: lane, isIdempotent: speaker == .idempotentLane)
        try await next { try await lane.execute(PostgresStatement("SELECT 1"), deadline: $0) }
        return transcript
      }
    }
  }

  /// The next call succeeds; only where the fault was saved up for it, the one after it does.
  private func next(_ body: (ContinuousClock.Instant?) async throws -> PostgresResult) async throws {
    var hasGoneOut = false
    while !hasGoneOut {
      do {
        _ = try await body(nil)
        return
      } catch {
        // What expired before it went out has not met the fault.
        let error = PostgresError.first(in: error)
        hasGoneOut = error?.code != .timedOut || error?.mayHaveTakenEffect == true
      }
    }
    _ = try await body(.now + .seconds(300))
  }

  /// Where the messages of an unharmed conversation end, and what it says.
  private func unharmed(
    _ speaker: Speaker, _ ledger: Ledger
  ) async throws -> (transcript: Conversation.Transcript, toServer: [Int], toClient: [Int]) {
    let proxy = try FaultProxy(to: TestDatabase.current)
    defer { proxy.stop() }
    await proxy.ask { $0.keepsFinished = true }
    let transcript = try await converse(speaker, proxy.connectionString(.tcp), ledger: ledger, firstToken: 0)
    #expect(transcript.losses.isEmpty)
    await proxy.empty()
    let links = await proxy.ask { relay in
      relay.finished.map { ($0.toServer.messages.map(\.end), $0.toClient.messages.map(\.end)) }
    }
    let (toServer, toClient) = try #require(links.first)
    #expect(links.count == 1 && toServer.count > 20 && toClient.count > 20)
    return (transcript, toServer, toClient)
  }

  @Test(arguments: Speaker.allCases)
  func splitAndReframedItSaysTheSame(_ speaker: Speaker) async throws {
    try await withTestPool { pool in
      try await pool.withConnection { try await $0.executeScript(Conversation.tables) }
      let ledger = Ledger()
      let expected = try await unharmed(speaker, ledger).transcript
      let flows: [ProxyStream.Flow] = [.through, .chunks(1), .chunks(3), .chunks(7), .joined]
      for (index, (toServer, toClient)) in flows.flatMap({ first in flows.map { (first, $0) } }).enumerated() {
        // All pairs are for those who have time.
        guard Self.isExhaustive || index % 7 == 1 || toServer == .joined && toClient == .joined else { continue }
        let proxy = try FaultProxy(to: TestDatabase.current)
        defer { proxy.stop() }
        await proxy.ask {
          $0.flowToServer = toServer
          $0.flowToClient = toClient
        }
        // Byte by byte, beside all other tests, an answer takes its time; nothing here may end by a deadline.
        let transcript = try await withWatchdog(seconds: 600, { "\(speaker), \(toServer), \(toClient)" }) {
          try await converse(
            speaker, proxy.connectionString(.unix), ledger: ledger, firstToken: 100 * (index + 1),
            timeout: .seconds(300), grace: .seconds(300))
        }
        #expect(transcript == expected, "to the server \(toServer), to the client \(toClient)")
        let sessions = await proxy.ask { $0.sessionCount }
        #expect(sessions == 1)
      }
      #expect(try await ledger.lies(pool) == [])
    }
  }

  @Test(arguments: Speaker.allCases)
  func cutAfterEachMessageItTellsTheTruth(_ speaker: Speaker) async throws {
    try await enumerate(speaker) { toServer, toClient in
      var faults: [Fault] = []
      for (direction, ends) in [(Fault.Direction.toServer, toServer), (.toClient, toClient)] {
        for count in 0...ends.count {
          for manner in [Fault.Manner.reset, .finish, .halfClose]
          where Self.isExhaustive || manner == [.reset, .finish, .halfClose][count % 3] {
            faults.append(Fault(direction: direction, point: .messages(count), manner: manner))
          }
        }
      }
      return faults
    }
  }

  @Test(arguments: Speaker.allCases)
  func cutAfterEachByteItTellsTheTruth(_ speaker: Speaker) async throws {
    try await enumerate(speaker) { toServer, toClient in
      var faults: [Fault] = []
      for (direction, ends) in [(Fault.Direction.toServer, toServer), (.toClient, toClient)] {
        for count in stride(from: 1, to: ends.last ?? 0, by: Self.isExhaustive ? 1 : 61) {
          let manner = [Fault.Manner.finish, .reset, .halfClose][count % 3]
          faults.append(Fault(direction: direction, point: .bytes(count), manner: manner))
        }
      }
      return faults
    }
  }

  @Test(arguments: [Speaker.pool, .lane])
  func onALinkThatFallsSilentItTellsTheTruth(_ speaker: Speaker) async throws {
    try await enumerate(speaker, timeout: .milliseconds(80), grace: .milliseconds(40)) { toServer, toClient in
      var faults: [Fault] = []
      for (direction, ends) in [(Fault.Direction.toServer, toServer), (.toClient, toClient)] {
        for count in stride(from: 1, through: ends.count, by: Self.isExhaustive ? 1 : 7) {
          faults.append(Fault(direction: direction, point: .messages(count), manner: .silence))
        }
      }
      return faults
    }
  }

  /// Holds the conversation once for each fault, four at a time.
  private func enumerate(
    _ speaker: Speaker, timeout: Duration = .seconds(300), grace: Duration = .seconds(60),
    _ faults: (_ toServer: [Int], _ toClient: [Int]) -> [Fault]
  ) async throws {
    try await withTestPool { pool in
      try await pool.withConnection { try await $0.executeScript(Conversation.tables) }
      let (expected, toServer, toClient) = try await unharmed(speaker, Ledger())
      let all = faults(toServer, toClient)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for worker in 0..<4 {
          group.addTask {
            let proxy = try FaultProxy(to: TestDatabase.current)
            let ledger = Ledger()
            for (index, fault) in all.enumerated() where index % 4 == worker {
              await proxy.ask { $0.plans = [fault] }
              let transcript = try await withWatchdog(seconds: 600, { "\(speaker) forgot a caller: \(fault)" }) {
                try await converse(
                  speaker, proxy.connectionString(.tcp), ledger: ledger, firstToken: 32 * (index + 1),
                  timeout: timeout, grace: grace)
              }
              await proxy.ask { $0.endFaults() }
              await proxy.empty()
              let lies = try await ledger.lies(pool)
              #expect(lies == [], "\(speaker), \(fault)")
              check(transcript, expected, speaker, fault)
            }
            #expect(proxy.socketsOfDriver() == 0)
            proxy.stop()
          }
        }
        try await group.waitForAll()
      }
    }
  }

  /// Whoever lost nothing saw what an unharmed caller sees; what may be repeated loses nothing.
  private func check(
    _ transcript: Conversation.Transcript, _ expected: Conversation.Transcript, _ speaker: Speaker, _ fault: Fault
  ) {
    let unknown = transcript.lines.filter { !expected.lines.contains($0) }
    #expect(unknown == [], "\(speaker), \(fault)")
    #expect(transcript.lines.count + transcript.losses.count == expected.lines.count, "\(speaker), \(fault)")
    if speaker == .idempotentLane { #expect(transcript.losses == [], "\(fault)") }
    if fault.manner != .silence {
      // One link was lost: one caller at a time, or one batch.
      #expect(transcript.losses.count <= (speaker == .pool ? 1 : 7), "\(fault): \(transcript.losses)")
      let others = transcript.losses.filter { !$0.contains("connectionLost") }
      #expect(others == [], "\(speaker), \(fault)")
    }
  }
}
