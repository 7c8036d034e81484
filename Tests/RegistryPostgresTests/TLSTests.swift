import Foundation
import Logging
import RegistryPostgres
import TestDatabase
import Testing

/// A real server that speaks TLS, with certificates made here.
@Suite struct TLSTests {
  /// The name that the server's certificate is for; nobody needs to resolve it.
  private static let name = "registry.test"

  private func withServer(_ body: (PrivateServer) async throws -> Void) async throws {
    try await PrivateServer.with(
      settings: ["listen_addresses": "127.0.0.1"], access: ["hostssl all postgres 127.0.0.1/32 trust"],
      prepare: makeCertificates
    ) { server in
      try await server.restart(with: tls(server, "server.pem"))
      try await body(server)
    }
  }

  private func tls(_ server: PrivateServer, _ certificate: String) -> [String: String] {
    [
      "ssl": "on", "ssl_cert_file": "\(server.directory)/\(certificate)",
      "ssl_key_file": "\(server.directory)/server.key",
    ]
  }

  /// A CA, a certificate of it for ``name``, the same one expired, and a CA that nobody trusts.
  private func makeCertificates(_ server: PrivateServer) async throws {
    func path(_ file: String) -> String { "\(server.directory)/\(file)" }
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for authority in ["ca", "stranger"] {
      try await server.run(
        "openssl",
        ["req", "-x509"] + key
          + ["-keyout", path("\(authority).key"), "-out", path("\(authority).pem"), "-days", "2", "-subj", "/CN=CA"])
    }
    try await server.run(
      "openssl",
      ["req"] + key + ["-keyout", path("server.key"), "-out", path("server.csr"), "-subj", "/CN=\(Self.name)"])
    try Data("subjectAltName=DNS:\(Self.name)\n".utf8).write(to: URL(filePath: path("names")))
    for (certificate, days) in [("server.pem", "2"), ("expired.pem", "-1")] {
      try await server.run(
        "openssl",
        [
          "x509", "-req", "-in", path("server.csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial",
          "-days", days, "-extfile", path("names"), "-out", path(certificate),
        ])
    }
    try server.give(path("server.key"))
  }

  private func string(
    _ server: PrivateServer, host: String = Self.name, mode: String = "verify-full", authority: String = "ca.pem"
  ) -> String {
    "host=\(host) hostaddr=127.0.0.1 port=\(server.port) user=postgres dbname=postgres password=h1dden "
      + "sslmode=\(mode) sslrootcert=\(server.directory)/\(authority) gssencmode=disable connect_timeout=300"
  }

  /// What a pool, a lane and a listener each report at once; they must agree.
  private func refusal(of string: String) async throws -> PostgresError {
    let errors = await connectionErrors(string)
    let first = try #require(errors.first)
    #expect(errors.allSatisfy { $0.description == first.description })
    #expect(first.code == .connectionFailed)
    #expect(!first.isRetryable, "waiting does not help")
    for error in errors { #expect(!String(reflecting: error).contains("h1dden")) }
    return first
  }

  @Test(.timeLimit(.minutes(20))) func refusesWhatCannotBeVerified() async throws {
    try await withServer { server in
      let wrongName = try await refusal(of: string(server, host: "other.test"))
      #expect(wrongName.description.contains("does not match host name \"other.test\""))
      #expect(wrongName.description.contains("hostaddr="))
      let unknownAuthority = try await refusal(of: string(server, authority: "stranger.pem"))
      #expect(unknownAuthority.description.contains("sslrootcert=/path/to/ca.pem"))
      let noAuthority = try await refusal(of: string(server, authority: "missing.pem"))
      #expect(noAuthority.description.contains("missing.pem"))
      #expect(noAuthority.description.contains("sslmode=verify-full sslrootcert=/path/to/ca.pem"))
      #expect(!noAuthority.description.contains("disable"), "libpq's own advice, which is none to follow")
      let plain = try await refusal(of: string(server, mode: "disable"))
      #expect(plain.sqlState == .invalidAuthorizationSpecification)
      #expect(plain.description.contains("sslmode=verify-full"))
      let unknownMode = try await refusal(of: string(server, mode: "verify-fully"))
      #expect(unknownMode.description.contains("sslmode"))
      #expect(unknownMode.description.contains("correct this option"))

      try await server.restart(with: tls(server, "expired.pem"))
      let expired = try await refusal(of: string(server))
      #expect(expired.description.contains("expired"))
      #expect(expired.description.contains("renew"))

      try await server.restart(with: ["ssl": "off"])
      for mode in ["require", "verify-full"] {
        let without = try await refusal(of: string(server, mode: mode))
        #expect(without.description.contains("turn ssl on in the server"))
      }
    }
  }

  @Test(.timeLimit(.minutes(20))) func carriesQueriesBatchesLanesAndNotifications() async throws {
    try await withServer { server in
      let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      var configuration = PostgresPool.Configuration.patient(string(server))
      configuration.maximumConnections = 2
      try await PostgresPool.withPool(configuration, logger: logger) { pool in
        let isEncrypted = PostgresStatement(
          "SELECT ssl AND version >= 'TLSv1.2' AS it FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        #expect(try await pool.execute(isEncrypted).rows[0].decode("it", as: Bool.self))
        try await large(pool)
        try await PostgresLane.withLane(.patient(string(server)), logger: logger) { lane in
          let isLaneEncrypted = try await lane.execute(isEncrypted).rows[0].decode("it", as: Bool.self)
          #expect(isLaneEncrypted)
          try await large(lane)
          try await manyCallers(lane)
        }
        try await PostgresListener.withListener(.init(string(server)), logger: logger) { listener in
          try await notifications(listener, pool)
        }
      }
    }
  }

  /// A record larger than the room in libpq's buffer leaves bytes inside the TLS library, where epoll does not see them.
  /// PostgreSQL before 17 sends none of that size, a proxy does.
  @Test(.timeLimit(.minutes(20))) func readsWhatTheTLSLibraryHoldsBack() async throws {
    try await PrivateServer.with(prepare: makeCertificates) { server in
      let proxy = try RecordProxy(server)
      defer { proxy.stop() }
      let connection =
        "host=\(Self.name) hostaddr=127.0.0.1 port=\(proxy.port) user=postgres dbname=postgres sslmode=verify-full "
        + "sslrootcert=\(server.directory)/ca.pem gssencmode=disable connect_timeout=300"
      let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      try await PostgresPool.withPool(.patient(connection), logger: logger) { pool in
        try await PostgresLane.withLane(.patient(connection), logger: logger) { lane in
          // Rows that straddle records, and an end at every place of one.
          for length in stride(from: 0, to: 16_384, by: 256) {
            let statement = PostgresStatement(
              "SELECT repeat('x', 4000) AS text FROM generate_series(1, 8) UNION ALL SELECT repeat('y', $1::int)",
              [.int(length)])
            #expect(try await pool.execute(statement, deadline: .now + .seconds(300)).count == 9)
            let onTheLane = try await lane.execute(statement, deadline: .now + .seconds(300))
            #expect(onTheLane.count == 9)
          }
        }
        var listening = PostgresListener.Configuration(connection)
        listening.probeInterval = .seconds(3600)
        try await PostgresListener.withListener(listening, logger: logger) { listener in
          var iterator = try listener.notifications(on: "work").makeAsyncIterator()
          #expect(await iterator.next() == .resumed)
          for length in stride(from: 1, through: 7936, by: 128) {
            try await pool.execute(
              """
              SELECT count(pg_notify('work', repeat('x', length) || length)) FROM unnest($1::int[]) AS length
              """, [.text("{4000,4001,4002,\(length)}")])
            for expected in [4000, 4001, 4002, length] {
              guard case .notification(let notification)? = await iterator.next() else {
                Issue.record("\(length) is missing")
                return
              }
              #expect(notification.payload.hasSuffix("x\(expected)"))
            }
          }
        }
      }
    }
  }

  /// More than all buffers hold, both ways at once, with results that end in the middle of a TLS record.
  private func large(_ executor: some PostgresExecutor & PostgresBatchExecutor) async throws {
    let echo = "SELECT $1::bytea AS bytes, length($1) AS length"
    for size in [1, 16_383, 16_384, 16_385, 5 << 20] {
      let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        for index in 0..<size { buffer[index] = UInt8(truncatingIfNeeded: index &* 31) }
        count = size
      }
      let row = try await executor.execute(PostgresStatement(name: "echo", echo, [.bytes(bytes)]), deadline: nil).rows[
        0]
      #expect(try row.decode("bytes", as: [UInt8].self) == bytes)
      #expect(try row.decode("length", as: Int.self) == size)
    }
    let text = String(repeating: "x", count: 100_000)
    let batch = PostgresBatch(
      statements: .init(repeating: PostgresStatement(name: "text", "SELECT $1::text AS text", [.text(text)]), count: 50)
    )
    let results = try await executor.execute(batch, deadline: .now + .seconds(300))
    for result in results { #expect(try result.rows[0].decode("text", as: String.self) == text) }
  }

  private func manyCallers(_ lane: PostgresLane) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<300 {
        group.addTask {
          // From no byte to many records.
          let length = number * number / 2
          let statement = PostgresStatement(
            name: "number", "SELECT $1::int AS number, repeat('x', $2::int) AS text", [.int(number), .int(length)])
          let row = try await lane.execute(statement).rows[0]
          let (found, text) = (try row.decode("number", as: Int.self), try row.decode("text", as: String.self))
          #expect(found == number && text.utf8.count == length)
        }
      }
      try await group.waitForAll()
    }
  }

  private func notifications(_ listener: PostgresListener, _ pool: PostgresPool) async throws {
    var iterator = try listener.notifications(on: "work").makeAsyncIterator()
    #expect(await iterator.next() == .resumed)
    // More than one TLS record in one transaction.
    try await pool.execute("SELECT count(pg_notify('work', repeat('x', 1000) || n)) FROM generate_series(1, 100) AS n")
    for number in 1...100 {
      guard case .notification(let notification)? = await iterator.next() else {
        Issue.record("number \(number) is missing")
        return
      }
      #expect(notification.payload.hasSuffix("x\(number)"))
    }
  }
}

/// What a pool, a lane and a listener say of a server that they cannot connect to.
func connectionErrors(_ connectionString: String) async -> [PostgresError] {
  let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
  var pool = PostgresPool.Configuration.patient(connectionString)
  pool.outageTolerance = .zero
  var lane = PostgresLane.Configuration.patient(connectionString)
  lane.outageTolerance = .zero
  var listener = PostgresListener.Configuration(connectionString)
  listener.connectTimeout = .seconds(300)
  let errors = [
    await postgresError {
      try await PostgresPool.withPool(pool, logger: logger) { _ = try await $0.execute("SELECT 1") }
    },
    await postgresError {
      try await PostgresLane.withLane(lane, logger: logger) { _ = try await $0.execute("SELECT 1") }
    },
    await listenerFailure(listener, logger),
  ]
  #expect(!errors.contains { $0 == nil }, "one of pool, lane and listener did connect")
  return errors.compactMap { $0 }
}

private func listenerFailure(_ configuration: PostgresListener.Configuration, _ logger: Logger) async -> PostgresError?
{
  do {
    return try await PostgresListener.withListener(configuration, logger: logger) { listener in
      for await element in try listener.notifications(on: "work", atLeastEvery: .milliseconds(1)) {
        if element == .resumed { return nil }
        if let failure = listener.failure { return failure }
      }
      return listener.failure
    }
  } catch {
    return error as? PostgresError
  }
}
