import Foundation
import Logging
import RegistryPostgres
import TestDatabase
import Testing

/// Streams that are cancelled, run out of time or lose their server, at every stage.
@Suite(.database)
struct StreamInterruptionTests {
  /// A kind of stream and how far it is when it is interrupted.
  enum Stage: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case rowsBeforeTheFirst, rowsInTheMiddle, rowsWithASlowConsumer
    case copyOutBeforeTheFirst, copyOutInTheMiddle
    case copyInWaitingForData, copyInWaitingForALock, copyInAtItsEnd

    var testDescription: String { rawValue }
  }

  /// What interrupts it.
  enum Cause: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case cancel, deadline, kill

    var testDescription: String { rawValue }
  }

  /// Runs a stream that does not end by itself, and reports where it is by `hasBegun`.
  private static func run(
    _ stage: Stage, on connection: PostgresConnection, until deadline: ContinuousClock.Instant?,
    hasBegun: AsyncStream<Void>.Continuation
  ) async throws {
    defer { hasBegun.finish() }
    // The server sends rows in blocks of 8 KiB.
    let sleeping =
      "SELECT repeat('x', 100), pg_sleep(CASE WHEN n < 400 THEN 0 ELSE 60 END)::text FROM generate_series(1, 1000) n"
    // Suspended until the task is cancelled or the test lets go; the stream itself is not asked for anything.
    func idle() async throws {
      hasBegun.yield()
      try await Task.sleep(until: deadline.map { $0 + .milliseconds(1) } ?? .now + .seconds(60), clock: .continuous)
    }
    switch stage {
    case .rowsBeforeTheFirst:
      hasBegun.yield()
      try await connection.withRows(PostgresStatement("SELECT pg_sleep(60)"), deadline: deadline) { _ in }
    case .rowsInTheMiddle:
      try await connection.withRows(PostgresStatement(sleeping), deadline: deadline) { rows in
        for try await _ in rows { hasBegun.yield() }
      }
    case .rowsWithASlowConsumer:
      let endless = PostgresStatement("SELECT repeat('x', 1000), generate_series(1, 100000000)")
      try await connection.withRows(endless, deadline: deadline) { rows in
        for try await _ in rows { try await idle() }
      }
    case .copyOutBeforeTheFirst:
      hasBegun.yield()
      try await connection.copyOut("COPY (SELECT pg_sleep(60)) TO STDOUT", deadline: deadline) { chunks in
        for try await _ in chunks {}
      }
    case .copyOutInTheMiddle:
      try await connection.copyOut("COPY (\(sleeping)) TO STDOUT", deadline: deadline) { chunks in
        for try await _ in chunks { hasBegun.yield() }
      }
    case .copyInWaitingForData:
      try await connection.copyIn("COPY item FROM STDIN", deadline: deadline) { writer in
        try await writer.writeRow([.int(1)])
        try await idle()
        while true { try await writer.writeRow([.int(1)]) }
      }
    case .copyInWaitingForALock:
      try await connection.copyIn("COPY slow FROM STDIN", deadline: deadline) { writer in
        hasBegun.yield()
        while true { try await writer.writeRow([.int(1)]) }
      }
    case .copyInAtItsEnd:
      try await connection.copyIn("COPY slow FROM STDIN", deadline: deadline) { writer in
        try await writer.writeRow([.int(1)])
        hasBegun.yield()
      }
    }
  }

  @Test(.serialized, arguments: Stage.allCases, Cause.allCases)
  func endsInAnOrderlyWay(stage: Stage, cause: Cause) async throws {
    try await withTestPool({
      $0.maximumConnections = 1
      // On a busy machine the server may take its time, and the connection is to be kept.
      $0.cancelGrace = .seconds(300)
      $0.connectTimeout = .seconds(300)
    }) { pool in
      try await pool.withConnection { connection in
        try await connection.executeScript(
          """
          CREATE TABLE item (id bigint);
          CREATE TABLE slow (id bigint);
          CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
          CREATE TRIGGER doze BEFORE INSERT ON slow FOR EACH ROW EXECUTE FUNCTION doze();
          """)
      }
      let pid = try await pool.withConnection { $0.backendPID }
      let (begun, hasBegun) = AsyncStream.makeStream(of: Void.self)
      // Long enough for the server to have begun: what ends before that is not cancelled, and costs the connection.
      let running = Task {
        try await pool.withConnection { connection in
          try await Self.run(
            stage, on: connection, until: cause == .deadline ? .now + .seconds(10) : nil, hasBegun: hasBegun)
        }
      }
      for await _ in begun { break }
      // The server must have come to where the stage wants it.
      let waits: String? =
        switch stage {
        case .rowsBeforeTheFirst, .rowsInTheMiddle, .copyOutBeforeTheFirst, .copyOutInTheMiddle, .copyInWaitingForALock,
          .copyInAtItsEnd:
          "PgSleep"
        case .rowsWithASlowConsumer: "ClientWrite"
        case .copyInWaitingForData: nil
        }
      if let waits, cause != .deadline {
        try await waitUntil(
          "EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1::int AND wait_event = $2)", [.int(pid), .text(waits)])
      }
      switch cause {
      case .cancel: running.cancel()
      case .deadline: break
      case .kill:
        try await terminate(pid)
        // Its own sleep would not notice.
        if stage == .rowsWithASlowConsumer || stage == .copyInWaitingForData { running.cancel() }
      }
      let result = await running.result
      guard case .failure(let thrown) = result else {
        Issue.record("the stream should have failed")
        return
      }
      if let error = PostgresError.first(in: thrown) {
        let expected: PostgresError.Code =
          switch cause {
          case .cancel: .cancelled
          case .deadline: .timedOut
          case .kill: .connectionLost
          }
        #expect(error.code == expected, "\(error)")
        // A server that is killed while it waits to send cannot say so any more.
        if cause == .kill, waits != "ClientWrite" { #expect(error.sqlState == .adminShutdown, "\(error)") }
      } else {
        #expect(thrown is CancellationError, "\(thrown)")
      }
      #expect(try await pool.execute("SELECT FROM item UNION ALL SELECT FROM slow").count == 0)
      let now = try await pool.withConnection { $0.backendPID }
      #expect((now == pid) == (cause != .kill), "the connection is kept where that is possible")
    }
  }

  @Test func aStreamOfACancelledTaskIsNotBegun() async throws {
    @Sendable func notToRun() { Issue.record("the closure should not run") }
    try await withTestPool { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      try await pool.withConnection { connection in
        let streams: [@Sendable () async throws -> Void] = [
          { try await connection.withRows(PostgresStatement("SELECT 1")) { _ in notToRun() } },
          { try await connection.copyOut("COPY item TO STDOUT") { _ in notToRun() } },
          { try await connection.copyIn("COPY item FROM STDIN") { _ in notToRun() } },
        ]
        for stream in streams {
          let error = await postgresError {
            try await Task {
              withUnsafeCurrentTask { $0?.cancel() }
              try await stream()
            }.value
          }
          #expect(error?.code == .cancelled)
        }
        try await connection.execute("SELECT 1")
      }
    }
  }

  @Test(arguments: [false, true])
  func aServerThatDoesNotAnswerCostsTheConnectionOnly(isCopyIn: Bool) async throws {
    try await withTestPool({
      $0.maximumConnections = 1
      $0.cancelGrace = .milliseconds(200)
    }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      let pid = try await pool.withConnection { $0.backendPID }
      defer { kill(pid, SIGCONT) }
      let value = try await pool.withConnection { connection in
        if isCopyIn {
          let error = await postgresError {
            try await connection.copyIn("COPY item FROM STDIN", deadline: .now + .seconds(1)) { writer in
              try #require(kill(pid, SIGSTOP) == 0, "the tests must run as root or as the server's account")
              while true { try await writer.write("1\n") }
            }
          }
          #expect(error?.code == .timedOut)
          return 7
        }
        let endless = PostgresStatement("SELECT generate_series(1, 100000000) AS n")
        return try await connection.withRows(endless) { rows in
          try #require(kill(pid, SIGSTOP) == 0, "the tests must run as root or as the server's account")
          return 7
        }
      }
      #expect(value == 7)
      #expect(try await pool.withConnection { $0.backendPID } != pid)
    }
  }

  /// The pool's end does not wait for a stream that is under way when it is told to end at once.
  @Test func aPoolThatIsTerminatedEndsItsStreams() async throws {
    let pool = PostgresPool(
      configuration: .init(TestDatabase.current), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let running = Task { try await pool.run() }
    let error = await postgresError {
      try await pool.withRows(PostgresStatement("SELECT generate_series(1, 100000000) AS n")) { rows in
        for try await _ in rows { running.cancel() }
      }
    }
    #expect(error?.code == .connectionLost || error?.code == .closed)
    try await running.value
  }
}
