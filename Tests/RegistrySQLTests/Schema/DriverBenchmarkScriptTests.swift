import EmbedSQLParsing
import Foundation
import RegistryPostgres
import TestDatabase
import Testing

/// What `scripts/bench driver` asks of the schema, which the migrations change.
@Suite(.migratedDatabase, .timeLimit(.minutes(20)))
struct DriverBenchmarkScriptTests {
  private func run(_ name: String, on database: PostgresPool) async throws {
    let file = URL(filePath: #filePath).appending(path: "../../../../sql/benchmarks/\(name).sql").standardized
    let text = try String(contentsOf: file, encoding: .utf8).replacing(":rows", with: "100")
    for statement in SQLStatement.split(try SQLScanner.tokens(of: text, file: name), of: text) {
      try await database.execute(statement.text)
    }
  }

  /// A table that came to refer to one of those that are emptied between rounds stopped the benchmark at its first.
  @Test func aRoundCanBegin() async throws {
    try await withDatabase { database in
      try await run("driver_prepare", on: database)
      for _ in 0..<2 { try await run("driver_round", on: database) }
      let left = try await database.execute("SELECT FROM registry.connection")
      #expect(left.count == 100)
    }
  }
}
