import Dispatch
import Foundation
import Logging
import NIOConcurrencyHelpers
import TestDatabase
import Testing

@testable import RegistryPostgres

/// A caller that nobody else keeps company runs its batch itself, and must notice no difference.
@Suite(.database)
struct LoneCallerTests {
  private func withLonelyLane(
    _ configure: (inout PostgresLane.Configuration) -> Void = { _ in },
    _ body: @Sendable (PostgresLane, PostgresPool) async throws -> Void
  ) async throws {
    var configuration = PostgresLane.Configuration.patient(TestDatabase.current)
    configure(&configuration)
    try await withTestPool { pool in
      try await PostgresLane.withLane(configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) {
        lane in
        for number in 0..<8 { try await echo(number, on: lane) }
        let isLonely = lane.state.withLockedValue { $0.machine.isLonely }
        #expect(isLonely)
        try await body(lane, pool)
        // Whatever happened, the lane goes on.
        for number in 0..<8 { try await echo(number, on: lane) }
      }
    }
  }

  private func echo(_ number: Int, on lane: PostgresLane) async throws {
    let result = try await lane.execute(
      PostgresStatement(name: "echo", "SELECT $1::int AS number", [.int(number)]), deadline: nil)
    #expect(try result.rows[0].decode("number", as: Int.self) == number)
  }

  private func waitUntilItSleeps(_ pool: PostgresPool) async throws -> Int {
    while true {
      let found = try await pool.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'")
      if let row = found.rows.first { return try row.decode("pid", as: Int.self) }
      try Task.checkCancellation()
      await Task.yield()
    }
  }

  private let sleep = PostgresStatement("SELECT pg_sleep(60)")

  @Test(.timeLimit(.minutes(20)), arguments: [Duration.zero, .milliseconds(2)])
  func itsDeadlineHolds(_ directWait: Duration) async throws {
    try await withLonelyLane({ $0.directWait = directWait }) { lane, _ in
      let error = await #expect(throws: PostgresError.self) {
        _ = try await lane.execute(sleep, deadline: .now + .milliseconds(50))
      }
      #expect(error?.code == .timedOut && error?.mayHaveTakenEffect == true)
    }
  }

  /// Each row comes before the thread would be let go.
  @Test(.timeLimit(.minutes(20))) func itsDeadlineHoldsWhileAnAnswerTricklesIn() async throws {
    try await withLonelyLane({ $0.directWait = .milliseconds(10) }) { lane, _ in
      let start = ContinuousClock.now
      let error = await #expect(throws: PostgresError.self) {
        _ = try await lane.execute(
          PostgresStatement("SELECT pg_sleep(0.001), repeat('x', 9000) FROM generate_series(1, 25000)"),
          deadline: start + .milliseconds(300))
      }
      #expect(error?.code == .timedOut)
      // All of it takes at least 25 seconds.
      #expect(ContinuousClock.now - start < .seconds(15))
    }
  }

  /// A caller's actor may be busy when the answer comes; the lane does not wait for it.
  @Test(.timeLimit(.minutes(20))) func itsActorNeedNotBeThereForTheOthers() async throws {
    try await withLonelyLane { lane, _ in
      let (isBusy, others) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
      let busy = BusyActor()
      let asking = Task { try await busy.ask(lane, then: isBusy, until: others) }
      await withCheckedContinuation { continuation in
        Thread.detachNewThread {
          isBusy.wait()
          continuation.resume()
        }
      }
      for number in 0..<20 { try await echo(number, on: lane) }
      others.signal()
      try await asking.value
    }
  }

  private final class OneThread: SerialExecutor {
    let queue = DispatchQueue(label: "busy")

    func enqueue(_ job: consuming ExecutorJob) {
      let job = UnownedJob(job)
      queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
  }

  /// Blocks itself as soon as its question is on its way.
  private actor BusyActor {
    private let thread = OneThread()
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    func ask(_ lane: PostgresLane, then isBusy: DispatchSemaphore, until others: DispatchSemaphore) async throws {
      thread.queue.async {
        isBusy.signal()
        others.wait()
      }
      _ = try await lane.execute(PostgresStatement("SELECT pg_sleep(0.001)"), deadline: nil)
    }
  }

  @Test(.timeLimit(.minutes(20)), arguments: [Duration.zero, .milliseconds(2)])
  func itsCancellationIsObservedAndEndsTheWork(_ directWait: Duration) async throws {
    try await withLonelyLane({ $0.directWait = directWait }) { lane, pool in
      let running = Task { try await lane.execute(sleep, deadline: nil) }
      _ = try await waitUntilItSleeps(pool)
      running.cancel()
      let error = await #expect(throws: PostgresError.self) { _ = try await running.value }
      #expect(error?.code == .cancelled && error?.mayHaveTakenEffect == true)
    }
  }

  @Test func onceCancelledItSendsNothing() async throws {
    try await withLonelyLane { lane, pool in
      try await pool.execute("CREATE TABLE item (id int)")
      let running = Task {
        withUnsafeCurrentTask { $0?.cancel() }
        return try await lane.execute(PostgresStatement("INSERT INTO item VALUES (1)"), deadline: nil)
      }
      let error = await #expect(throws: PostgresError.self) { _ = try await running.value }
      #expect(error?.code == .cancelled && error?.mayHaveTakenEffect == false)
      #expect(try await pool.execute("SELECT FROM item").count == 0)
    }
  }

  @Test func itsErrorIsItsOwn() async throws {
    try await withLonelyLane { lane, _ in
      let error = await #expect(throws: PostgresError.self) {
        _ = try await lane.execute(PostgresStatement("SELECT 1 / $1::int", [.int(0)]), deadline: nil)
      }
      #expect(error?.sqlState?.rawValue == "22012" && error?.statementIndex == nil)
    }
  }

  /// The server has said that it rolled back, so the work is done again.
  @Test(.timeLimit(.minutes(20))) func aConnectionThatDiesUnderItIsReplaced() async throws {
    try await withLonelyLane { lane, pool in
      try await pool.execute("CREATE TABLE awake ()")
      let running = Task {
        try await lane.execute(
          PostgresStatement("SELECT pg_sleep(60) WHERE NOT EXISTS (SELECT FROM awake)"), deadline: nil)
      }
      let pid = try await waitUntilItSleeps(pool)
      try await pool.execute("INSERT INTO awake DEFAULT VALUES")
      try await pool.execute("SELECT pg_terminate_backend($1::int)", [.int(pid)])
      #expect(try await running.value.count == 0)
    }
  }

  @Test(.timeLimit(.minutes(20))) func aConnectionThatDiedAtRestIsReplaced() async throws {
    try await withLonelyLane { lane, pool in
      try await pool.execute(
        """
        SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
        """)
      try await echo(1, on: lane)
    }
  }

  /// The server's last word, which would prove that nothing was done, never arrives.
  @Test(.timeLimit(.minutes(20))) func aConnectionCutAtRestIsReplacedBeforeAnythingIsSent() async throws {
    let proxy = try FaultProxy(to: TestDatabase.current)
    defer { proxy.stop() }
    try await withLonelyLane({ $0.connectionString = proxy.connectionString(.tcp) }) { lane, pool in
      let isPlanned = await proxy.ask { relay in
        relay.plan(Fault(direction: .toClient, point: .bytes(1), manner: .finish), onLink: 0)
        return relay.links.first?.fault != nil
      }
      #expect(isPlanned)
      try await pool.execute(
        """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
        """)
      let session = try #require(lane.state.withLockedValue { $0.sessions.values.first })
      while !session.isStale {
        try Task.checkCancellation()
        await Task.yield()
      }
      // Not to be repeated after a loss, so it succeeds only where nothing was sent on the dead one.
      try await echo(1, on: lane)
    }
  }

  @Test func whatCouldHarmNeighboursIsRefusedThoughThereAreNone() async throws {
    try await withLonelyLane { lane, _ in
      let error = await #expect(throws: PostgresError.self) {
        _ = try await lane.execute(PostgresStatement(name: "set", "SET search_path = elsewhere"), deadline: nil)
      }
      #expect(error?.code == .unsupported)
      #expect(error?.statementName == "set")
      #expect(error?.statementIndex == nil, "it is no batch")
    }
  }

  @Test func whatTheServerForgotIsPreparedAgain() async throws {
    try await withLonelyLane { lane, pool in
      try await pool.execute(
        "CREATE FUNCTION forget() RETURNS int LANGUAGE plpgsql AS $$BEGIN DEALLOCATE ALL; RETURN 1; END$$")
      _ = try await lane.execute(PostgresStatement("SELECT forget()"), deadline: nil)
      try await echo(7, on: lane)
    }
  }

  @Test func whoeverComesMeanwhileIsServedAfterIt() async throws {
    try await withLonelyLane { lane, _ in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<200 { group.addTask { try await echo(number, on: lane) } }
        try await group.waitForAll()
      }
    }
  }

  /// It may be joined with others, when its connection was found dead, before it comes to wait.
  @Test func oneThatDoesNotWaitYetFindsItsAnswer() {
    let lane = PostgresLane(
      configuration: .init(TestDatabase.current), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let statement = PostgresStatement("SELECT 1")
    let callers = (0..<2).map { id in
      let demand = LaneCaller.Demand(
        statements: 1, bytes: 0, isolation: .serverDefault, isIdempotent: false, deadline: .now + .seconds(1))
      return LaneCaller(id: UInt64(id), demand, .statement(statement))
    }
    var transaction = PipelinedTransaction(beginText: nil)
    for (position, caller) in callers.enumerated() {
      caller.position = position
      transaction.append(statement)
    }
    let ending = PostgresLane.Ending(
      answer: .failure(PostgresError(.connectionLost, "lost")), transaction: transaction)
    let effects = lane.state.withLockedValue { lane.apply([.deliver(callers)], ending, &$0) }
    #expect(effects.shared.isEmpty)
    #expect(callers.allSatisfy { $0.answer != nil })
  }

  private func withLonelyLanes(
    _ count: Int, beside lanes: [PostgresLane] = [], _ body: @escaping @Sendable ([PostgresLane]) async throws -> Void
  ) async throws {
    guard lanes.count < count else { return try await body(lanes) }
    try await withLonelyLane { lane, _ in try await withLonelyLanes(count, beside: lanes + [lane], body) }
  }

  private func withTestPools(
    _ count: Int, beside pools: [PostgresPool] = [], _ body: @escaping @Sendable ([PostgresPool]) async throws -> Void
  ) async throws {
    guard pools.count < count else { return try await body(pools) }
    try await withTestPool { try await withTestPools(count, beside: pools + [$0], body) }
  }

  /// A task that is never suspended would keep its thread from all others, and as many as there are threads all of them.
  /// With more than two processors not all may be held, and some caller is suspended in any case.
  @Test(.timeLimit(.minutes(20))) func callersInALoopLetOthersHaveATurn() async throws {
    let threads = min(ProcessInfo.processInfo.activeProcessorCount, 8)
    try await withTestPools(threads) { pools in
      let calls = try await callsUntilATurn(of: pools)
      #expect(calls < 200)
    }
    try await withLonelyLanes(threads) { lanes in
      let calls = try await callsUntilATurn(of: lanes)
      #expect(calls < 200)
    }
  }

  /// How often the first of several callers in a loop calls before somebody else has had a turn.
  private func callsUntilATurn(of executors: [any PostgresExecutor]) async throws -> Int {
    let hadATurn = NIOLockedValueBox(false)
    return try await withThrowingTaskGroup(of: Int?.self) { group in
      for (caller, executor) in executors.enumerated() {
        group.addTask {
          for _ in 0..<100 { try await executor.execute("SELECT 1") }
          if caller == 0 { Task { hadATurn.withLockedValue { $0 = true } } }
          var calls = 0
          while calls < 20_000, !hadATurn.withLockedValue({ $0 }) {
            try await executor.execute("SELECT 1")
            calls += 1
          }
          return caller == 0 ? calls : nil
        }
      }
      return try await group.reduce(0) { $0 + ($1 ?? 0) }
    }
  }
}
