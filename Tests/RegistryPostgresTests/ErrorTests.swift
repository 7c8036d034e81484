import Foundation
import Logging
import RegistryPostgres
import TestDatabase
import Testing

@Suite(.database)
struct ErrorTests {
  private static let secret = "s3cr3t-value"

  @Test func namesASyntaxErrorAndItsPlace() async throws {
    let error = try #require(
      await postgresError { try await withTestPool { try await $0.execute("SELECT 1 FRUM item") } })
    #expect(error.code == .server)
    #expect(error.sqlState == .syntaxError)
    #expect(error.position == 15)
    #expect(error.description.contains("FRUM") || error.description.contains("item"))
  }

  @Test func canBeMatchedInCatch() async throws {
    try await withTestPool { pool in
      do {
        try await pool.execute("SELECT 1/0")
        Issue.record("a division by zero should fail")
      } catch SQLState.uniqueViolation {
        Issue.record("not a unique violation")
      } catch PostgresError.Code.server {
      }
      do {
        try await pool.withTransaction { try await $0.execute("SELECT 1/0") }
        Issue.record("a division by zero should fail")
      } catch SQLState.divisionByZero {
      }
    }
  }

  @Test func namesConstraintTableAndStatement() async throws {
    try await withTestPool { pool in
      try await pool.execute("CREATE TABLE item (id text CONSTRAINT item_key_102143 PRIMARY KEY)")
      let insert = PostgresStatement(name: "item_insert", "INSERT INTO item VALUES ($1)", [.text(Self.secret)])
      try await pool.execute(insert)
      let error = try #require(await postgresError { try await pool.execute(insert) })
      #expect(error.isUniqueViolation)
      #expect(error.constraintName == "item_key")
      #expect(error.tableName == "item")
      #expect(error.statementName == "item_insert")
      #expect(!error.description.contains(Self.secret))
      #expect(!"\(error)".contains(Self.secret))
      #expect(String(reflecting: error).contains(Self.secret), "the server's detail belongs into the full report")
      #expect(!error.isRetryable)
    }
  }

  @Test(arguments: [
    ("SELECT $1::text::int", SQLState.invalidTextRepresentation),
    ("SELECT $1::text::uuid", SQLState.invalidTextRepresentation),
    ("SELECT $1::text::timestamptz", SQLState("22007")),
    ("SELECT convert_from(decode('ff', 'hex'), $1)", SQLState("22023")),
  ])
  func keepsTheServersQuotationsOutOfTheDescription(text: String, state: SQLState) async throws {
    let error = try #require(
      await postgresError { try await withTestPool { try await $0.execute(text, [.text(Self.secret)]) } })
    #expect(error.sqlState == state)
    #expect(!error.description.contains(Self.secret))
    #expect(!error.message.contains(Self.secret))
    #expect(error.description.contains("refused a value"))
    #expect(String(reflecting: error).contains(Self.secret))
  }

  @Test func namesAParameterThatCannotBeSent() async throws {
    try await withTestPool { pool in
      let nul = try #require(
        await postgresError { try await pool.execute("SELECT $1, $2", [.text("a"), .text("b\0\(Self.secret)")]) })
      #expect(nul.code == .invalidParameter)
      #expect(nul.description.contains("$2"))
      #expect(!nul.description.contains(Self.secret))
      let large = [UInt8](repeating: 7, count: PostgresStatement.maximumBytes)
      let tooLarge = try #require(await postgresError { try await pool.execute("SELECT $1", [.bytes(large)]) })
      #expect(tooLarge.code == .invalidParameter)
      let many = [PostgresParameter](repeating: .null, count: PostgresStatement.maximumParameters + 1)
      #expect(await postgresError { try await pool.execute("SELECT 1", many) }?.code == .invalidParameter)
      #expect(await postgresError { try await pool.execute("SELECT '\0'") }?.code == .invalidParameter)
      let batch = PostgresBatch(statements: [
        PostgresStatement("SELECT 1"), PostgresStatement("SELECT $1", [.text("\0")]),
      ])
      let inBatch = await postgresError { try await pool.execute(batch) }
      #expect(inBatch?.code == .invalidParameter)
      #expect(inBatch?.statementIndex == 1)
      let long = PostgresBatch(
        statements: .init(repeating: PostgresStatement("SELECT 1"), count: PostgresBatch.maximumStatements + 1))
      #expect(await postgresError { try await pool.execute(long) }?.code == .invalidParameter)
      try await pool.execute("SELECT 1")
    }
  }

  @Test func refusesTheWrongNumberAndTypeOfParameters() async throws {
    try await withTestPool { pool in
      #expect(await postgresError { try await pool.execute("SELECT $1::int", []) }?.code == .server)
      #expect(
        await postgresError { try await pool.execute("SELECT $1::uuid", [.int(4)]) }?.sqlState
          == .invalidTextRepresentation)
      #expect(
        await postgresError {
          try await pool.execute("SELECT $1 + '2020-01-01'::date + '2020-01-01'::date", [.int(1)])
        }?
        .code == .server)
    }
  }

  @Test func refusesCopyAndGoesOn() async throws {
    try await withTestPool { pool in
      #expect(await postgresError { try await pool.execute("COPY (SELECT 1) TO STDOUT") }?.code == .unsupported)
      try await pool.execute("CREATE TABLE item (id bigint)")
      #expect(await postgresError { try await pool.execute("COPY item FROM STDIN") }?.code == .unsupported)
      try await pool.execute("SELECT 1")
    }
  }

  @Test func refusesAnUnknownDatabase() async throws {
    let error = try #require(
      await postgresError {
        try await withTestPool({ $0.connectionString += "x" }) { try await $0.execute("SELECT 1") }
      })
    #expect(error.code == .connectionFailed)
    #expect(error.sqlState == .invalidCatalogName)
    #expect(!error.isRetryable)
  }

  @Test func refusesAWrongPassword() async throws {
    try await withTestPool { pool in
      try await allowPasswords(pool)
      try await pool.execute("CREATE ROLE password_tester LOGIN PASSWORD 'right-\(Self.secret)'")
      func attempt(_ password: String) async -> PostgresError? {
        await postgresError {
          try await withTestPool({ $0.connectionString += " user=password_tester password=\(password)" }) { pool in
            try await pool.execute("SELECT 1")
          }
        }
      }
      // The server takes up its new file in its own time.
      let deadline = ContinuousClock.now + .seconds(30)
      while await attempt("right-\(Self.secret)") != nil { try #require(ContinuousClock.now < deadline) }
      let error = try #require(await attempt("wrong-\(Self.secret)"))
      #expect(error.code == .connectionFailed)
      #expect(error.sqlState == .invalidPassword)
      #expect(error.description.contains("password"))
      #expect(!String(reflecting: error).contains(Self.secret))
      try await pool.execute("DROP ROLE password_tester")
    }
  }

  /// Puts a line before the others of the server's access file; it concerns one role only.
  private func allowPasswords(_ pool: PostgresPool) async throws {
    let path = try await pool.execute("SHOW hba_file").rows[0].decode("hba_file", as: String.self)
    let rules = try String(contentsOfFile: path, encoding: .utf8)
    // Written in place, so that its owner and mode stay as they are.
    let file = try FileHandle(forWritingTo: URL(filePath: path))
    try file.write(contentsOf: Data("local all password_tester scram-sha-256\n\(rules)".utf8))
    try file.close()
    try await pool.execute("SELECT pg_reload_conf()")
  }

  @Test func sendsNoticesToTheLogger() async throws {
    let handler = CollectingLogHandler()
    try await withTestPool(logger: Logger(label: "test") { _ in handler }) { pool in
      try await pool.withConnection { try await $0.executeScript("DO $$ BEGIN RAISE WARNING 'look here'; END $$") }
    }
    let notice = try #require(handler.lines.first { $0.contains("look here") })
    #expect(notice.hasPrefix("debug PostgreSQL notice"))
  }
}

/// Keeps log lines for a test to look at.
struct CollectingLogHandler: LogHandler {
  private final class Lines: @unchecked Sendable {
    // Guarded by the lock.
    private let lock = NSLock()
    private var lines: [String] = []

    func append(_ line: String) { lock.withLock { lines.append(line) } }
    var all: [String] { lock.withLock { lines } }
  }

  private let collected = Lines()
  var metadata = Logger.Metadata()
  var logLevel = Logger.Level.trace
  var lines: [String] { collected.all }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    collected.append("\(event.level) \(event.message) \(event.metadata ?? [:])")
  }
}
