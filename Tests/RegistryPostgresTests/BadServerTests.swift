import Logging
import RegistryPostgres
import TestDatabase
import Testing

/// Servers that cannot be used as asked, each a real one: what pool, lane and listener say, and that they recover.
@Suite struct BadServerTests {
  private static let secret = "h1dden"
  private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  /// What all three report; they must agree, and none may show the password.
  private func refusal(of string: String) async throws -> PostgresError {
    let errors = await connectionErrors(string + " password=\(Self.secret)")
    let first = try #require(errors.first)
    for error in errors {
      #expect(error.code == .connectionFailed)
      #expect(error.sqlState == first.sqlState)
      #expect(!String(reflecting: error).contains(Self.secret))
    }
    return first
  }

  @Test func namesAHostThatDoesNotExist() async throws {
    let error = try await refusal(of: "host=no-such-host.invalid user=u")
    #expect(error.description.contains("no-such-host.invalid"))
    #expect(error.description.contains("check the host of the connection string"))
    #expect(error.isRetryable)
  }

  @Test func namesAPortThatRefuses() async throws {
    let server = try FakeServer(.absent)
    let error = try await refusal(of: "host=127.0.0.1 port=\(server.port) user=u")
    #expect(error.description.contains("port \(server.port)"))
    #expect(error.description.contains("Is the server running"))
    #expect(error.isRetryable)
  }

  @Test(.timeLimit(.minutes(20))) func namesAWrongLogin() async throws {
    let access = ["local all strict scram-sha-256", "local all barred reject"]
    try await PrivateServer.with(access: access) { server in
      try await PostgresPool.withPool(.patient(server.connectionString), logger: logger) { pool in
        try await pool.execute("CREATE ROLE strict LOGIN PASSWORD 'right'")
        try await pool.execute("CREATE ROLE barred LOGIN")
      }
      let password = try await refusal(of: server.connectionString + " user=strict")
      #expect(password.sqlState == .invalidPassword)
      #expect(password.description.contains("check the user and the password of the connection string"))
      let barred = try await refusal(of: server.connectionString + " user=barred")
      #expect(barred.sqlState == .invalidAuthorizationSpecification)
      #expect(barred.description.contains("pg_hba.conf"))
      let database = try await refusal(of: server.connectionString + " dbname=missing")
      #expect(database.sqlState == .invalidCatalogName)
      #expect(database.description.contains("check the database of the connection string, or create it"))
      for error in [password, barred, database] { #expect(!error.isRetryable) }
    }
  }

  @Test(.timeLimit(.minutes(20))) func namesAFullServerAndGoesOnWhenThereIsRoom() async throws {
    let settings = ["max_connections": "3", "superuser_reserved_connections": "0", "max_worker_processes": "0"]
    try await PrivateServer.with(settings: settings) { server in
      try await PostgresPool.withPool(.patient(server.connectionString), logger: logger) { pool in
        let (listener, running) = try await pool.withConnection { first in
          try await pool.withConnection { second in
            try await pool.withConnection { third in
              let error = try await refusal(of: server.connectionString)
              #expect(error.sqlState == .tooManyConnections)
              #expect(error.description.contains("raise the server's max_connections"))
              #expect(error.isRetryable)
              let listener = PostgresListener(configuration: .init(server.connectionString), logger: logger)
              let running = Task { try await listener.run() }
              var iterator = try listener.notifications(on: "work", atLeastEvery: .milliseconds(1)).makeAsyncIterator()
              while listener.failure == nil { #expect(await iterator.next() == .elapsed) }
              #expect(listener.failure?.sqlState == .tooManyConnections)
              for connection in [first, second, third] { await connection.retire() }
              return (listener, running)
            }
          }
        }
        var iterator = try listener.notifications(on: "work").makeAsyncIterator()
        #expect(await iterator.next() == .resumed)
        #expect(listener.failure == nil)
        try await pool.execute("SELECT 1")
        listener.shutDown()
        try await running.value
      }
    }
  }

  /// A server is told to stop, ends its sessions, is gone, and comes back.
  @Test(.timeLimit(.minutes(20))) func namesAServerThatStopsAndGoesOnWhenItIsBack() async throws {
    try await PrivateServer.with { server in
      var pooling = PostgresPool.Configuration.patient(server.connectionString)
      pooling.outageTolerance = .seconds(60)
      var laning = PostgresLane.Configuration.patient(server.connectionString)
      laning.outageTolerance = .seconds(60)
      try await PostgresPool.withPool(pooling, logger: logger) { pool in
        try await PostgresLane.withLane(laning, logger: logger) { lane in
          try await PostgresListener.withListener(.init(server.connectionString), logger: logger) { listener in
            var iterator = try listener.notifications(on: "work").makeAsyncIterator()
            #expect(await iterator.next() == .resumed)
            try await pool.execute("CREATE TABLE item (id int)")
            async let onThePool = postgresError { try await pool.execute("SELECT pg_sleep(60)") }
            // Does not sleep the second time.
            async let onTheLane = postgresError {
              try await lane.execute("SELECT CASE WHEN NOT EXISTS (SELECT FROM item) THEN pg_sleep(60) END")
            }
            var asleep = 0
            while asleep < 2 {
              asleep = try await pool.execute("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'").count
            }
            try await pool.execute("INSERT INTO item VALUES (1)")
            try await server.stopLettingIn()
            var stopping: PostgresError?
            while stopping?.sqlState != .cannotConnectNow {
              // It hears of it in its own time.
              stopping = await postgresError {
                var configuration = PostgresPool.Configuration.patient(server.connectionString)
                configuration.outageTolerance = .zero
                try await PostgresPool.withPool(configuration, logger: logger) { _ = try await $0.execute("SELECT 1") }
              }
            }
            let shuttingDown = try await refusal(of: server.connectionString)
            #expect(shuttingDown.sqlState == .cannotConnectNow)
            #expect(shuttingDown.description.contains("try again soon"))
            #expect(shuttingDown.isRetryable)

            try await server.stop()
            let ended = await onThePool
            #expect(ended?.code == .connectionLost)
            #expect(ended?.sqlState == .adminShutdown)
            #expect(ended?.description.contains("try again soon") == true)
            #expect(ended?.isRetryableWhenIdempotent == true)
            let gone = try await refusal(of: server.connectionString)
            #expect(gone.sqlState == nil)
            #expect(gone.description.contains("Is the server running"))
            #expect(gone.isRetryable)
            while listener.failure == nil { await Task.yield() }
            #expect(!listener.isListening)

            try await server.start()
            // Committed before the listener is back: nobody heard it, and being woken makes up for it.
            try await pool.execute(
              PostgresBatch(statements: [
                PostgresStatement("INSERT INTO item VALUES (2)"), PostgresStatement("SELECT pg_notify('work', '')"),
              ]))
            #expect(await iterator.next() == .resumed)
            #expect(try await lane.execute("SELECT FROM item").count == 2)
            // The server has proved that it did not commit, so the lane could try again by itself.
            #expect(await onTheLane?.description == nil)
          }
        }
      }
    }
  }

  @Test(.timeLimit(.minutes(20))) func namesAServerThatTakesNoWrites() async throws {
    try await PrivateServer.with { primary in
      try await PostgresPool.withPool(.patient(primary.connectionString), logger: logger) { pool in
        try await pool.execute("CREATE TABLE item (id int)")
      }
      let standby = try await primary.makeStandby()
      do {
        try await standby.start()
        try await expectReadOnly(standby.connectionString)
        try await expectReadOnly(primary.connectionString + " options='-c default_transaction_read_only=on'")

        let demanding = try await refusal(of: standby.connectionString + " target_session_attrs=primary")
        #expect(demanding.description.contains("name all hosts"))
        #expect(demanding.isRetryable, "a standby may be promoted")
        let writing = try await refusal(of: standby.connectionString + " target_session_attrs=read-write")
        #expect(writing.description.contains("name all hosts"))
        let reading = try await refusal(of: primary.connectionString + " target_session_attrs=standby")
        #expect(reading.description.contains("asks for a standby"))

        let deaf = try await refusalToListen(standby.connectionString)
        #expect(deaf.sqlState == .readOnlySQLTransaction)
        #expect(deaf.description.contains("target_session_attrs=read-write"))

        try await expectWrites(
          "host=\(standby.directory)/postgres/socket,\(primary.directory)/postgres/socket "
            + "port=\(standby.port),\(primary.port) user=postgres dbname=postgres connect_timeout=300 "
            + "target_session_attrs=read-write")
      } catch {
        await standby.destroy()
        throw error
      }
      await standby.destroy()
    }
  }

  private func expectReadOnly(_ string: String) async throws {
    let insert = PostgresStatement("INSERT INTO item VALUES ($1)", [.int(4711)])
    let onThePool = await postgresError {
      try await PostgresPool.withPool(.patient(string), logger: logger) { _ = try await $0.execute(insert) }
    }
    let onTheLane = await postgresError {
      try await PostgresLane.withLane(.patient(string), logger: logger) { _ = try await $0.execute(insert) }
    }
    for error in [onThePool, onTheLane] {
      #expect(error?.sqlState == .readOnlySQLTransaction)
      #expect(error?.description.contains("name all hosts and add target_session_attrs=read-write") == true)
      #expect(error?.description.contains("4711") == false)
      #expect(error?.mayHaveTakenEffect == false)
    }
  }

  private func refusalToListen(_ string: String) async throws -> PostgresError {
    try await PostgresListener.withListener(.init(string), logger: logger) { listener in
      var iterator = try listener.notifications(on: "work", atLeastEvery: .milliseconds(1)).makeAsyncIterator()
      while listener.failure == nil { #expect(await iterator.next() == .elapsed) }
      return try #require(listener.failure)
    }
  }

  private func expectWrites(_ string: String) async throws {
    try await PostgresPool.withPool(.patient(string), logger: logger) { pool in
      let inserted = try await pool.execute("INSERT INTO item VALUES (1)")
      #expect(inserted.affectedRows == 1)
    }
    try await PostgresLane.withLane(.patient(string), logger: logger) { lane in
      let inserted = try await lane.execute("INSERT INTO item VALUES (1)")
      #expect(inserted.affectedRows == 1)
    }
    try await PostgresListener.withListener(.init(string), logger: logger) { listener in
      var iterator = try listener.notifications(on: "work").makeAsyncIterator()
      #expect(await iterator.next() == .resumed)
    }
  }
}
