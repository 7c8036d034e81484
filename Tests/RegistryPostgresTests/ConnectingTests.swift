import Foundation
import Logging
import RegistryPostgres
import TestDatabase
import Testing

@Suite struct ConnectingTests {
  private func failure(
    of connectionString: String, _ configure: (inout PostgresPool.Configuration) -> Void = { _ in }
  ) async -> PostgresError? {
    var configuration = PostgresPool.Configuration.patient(connectionString)
    configuration.outageTolerance = .zero
    configure(&configuration)
    return await postgresError {
      try await PostgresPool.withPool(configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) {
        _ = try await $0.execute("SELECT 1")
      }
    }
  }

  @Test func namesAHostThatDoesNotExist() async throws {
    let error = try #require(await failure(of: "host=no-such-host.invalid user=u"))
    #expect(error.code == .connectionFailed)
    #expect(error.description.contains("no-such-host.invalid"))
    #expect(error.isRetryable)
  }

  @Test func namesAPortThatRefuses() async throws {
    let server = try FakeServer(.absent)
    let error = try #require(await failure(of: "host=127.0.0.1 port=\(server.port) user=u"))
    #expect(error.code == .connectionFailed)
    #expect(error.description.contains("\(server.port)"))
    #expect(error.isRetryable)
  }

  @Test func givesUpAServerThatSaysNothing() async throws {
    let server = try FakeServer(.silent)
    let error = try #require(await failure(of: server.connectionString) { $0.connectTimeout = .milliseconds(50) })
    #expect(error.code == .connectionFailed)
    #expect(error.description.contains("did not answer within"))
  }

  @Test func honoursTheCallersDeadlineWhileConnecting() async throws {
    let server = try FakeServer(.silent)
    var configuration = PostgresPool.Configuration.patient(server.connectionString)
    configuration.connectTimeout = .seconds(60)
    let begin = ContinuousClock.now
    let error = await postgresError {
      try await PostgresPool.withPool(configuration, logger: Logger(label: "test")) { pool in
        try await pool.execute(PostgresStatement("SELECT 1"), deadline: .now + .milliseconds(50))
      }
    }
    #expect(error?.code == .timedOut)
    // The attempt under way is given up with the pool.
    #expect(ContinuousClock.now - begin < .seconds(30))
  }

  @Test(arguments: [("28P01", false), ("3D000", false), ("53300", true), ("57P03", true)])
  func keepsTheServersReasonForRefusing(state: String, isRetryable: Bool) async throws {
    let server = try FakeServer(.refusing(state))
    let error = try #require(await failure(of: server.connectionString))
    #expect(error.code == .connectionFailed)
    #expect(error.sqlState == SQLState(state))
    #expect(error.isRetryable == isRetryable)
    #expect(error.description.contains("as the test wants it"))
  }

  @Test func waitsOutAServerThatStarts() async throws {
    let answer = FakeServer.command("SELECT 1") + FakeServer.ready("I")
    let server = try FakeServer(.starting(3, [answer]))
    let error = await failure(of: server.connectionString) {
      $0.outageTolerance = .seconds(60)
    }
    #expect(error?.description == nil)
    #expect(server.loginCount == 4)
  }

  @Test func goesOnToTheNextHostWhenOneSaysNothing() async throws {
    let database = try await TestDatabase.shared.emptyDatabase()
    let silent = try FakeServer(.silent)
    let string = withHost("127.0.0.1", port: silent.port, before: database) + " target_session_attrs=read-write"
    let error = await failure(of: string) { $0.connectTimeout = .seconds(30) }
    #expect(error?.description == nil)
    try await TestDatabase.shared.drop(database)
  }

  @Test func takesTheHostWithTheAttributesAskedFor() async throws {
    let database = try await TestDatabase.shared.emptyDatabase()
    let closed = try FakeServer(.absent)
    let string = withHost("127.0.0.1", port: closed.port, before: database)
    #expect(await failure(of: string + " target_session_attrs=primary")?.description == nil)
    #expect(await failure(of: string + " target_session_attrs=prefer-standby")?.description == nil)
    let error = await failure(of: string + " target_session_attrs=standby")
    #expect(error?.code == .connectionFailed)
    #expect(error?.description.contains("standby") == true)
    #expect(error?.description.contains("\(closed.port)") == true, "what each host said is told")
    try await TestDatabase.shared.drop(database)
  }

  /// A connection string that names another host before the one of the test's server, without its connect_timeout.
  private func withHost(_ host: String, port: Int, before string: String) -> String {
    string.split(separator: " ").filter { !$0.hasPrefix("connect_timeout=") }.map { part in
      if part.hasPrefix("host=") { return "host=\(host),\(part.dropFirst(5))" }
      if part.hasPrefix("port=") { return "port=\(port),\(part.dropFirst(5))" }
      return String(part)
    }.joined(separator: " ") + " sslmode=disable gssencmode=disable"
  }

  @Test func saysWhenTheServerEndsEachConnection() async throws {
    let server = try FakeServer(.hangingUp)
    let error = await failure(of: server.connectionString)
    #expect(error?.code == .connectionLost)
  }
}
