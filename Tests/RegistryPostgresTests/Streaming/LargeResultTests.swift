import RegistryPostgres
import TestDatabase
import Testing

/// Results that are larger than the memory they may take.
@Suite(.database)
struct LargeResultTests {
  private static let tooLarge = PostgresStatement(
    name: "too_large", "SELECT generate_series(1, 40000) AS n, repeat('x', 1000) AS filler")

  @Test func cancelsAResultThatIsTooLargeAndSaysWhatToDo() async throws {
    try await withTestPool({
      $0.maximumConnections = 1
      $0.maximumResultBytes = 8 << 20
      $0.defaultTimeout = .seconds(120)
    }) { pool in
      let pid = try await pool.withConnection { $0.backendPID }
      let alone = await postgresError { try await pool.execute(Self.tooLarge) }
      #expect(alone?.code == .resultTooLarge)
      #expect(alone?.description.contains("withRows") == true)
      #expect(alone?.isRetryable == false)
      #expect(alone?.statementName == "too_large")
      let batch = await postgresError {
        try await pool.execute(PostgresBatch(statements: [PostgresStatement("SELECT 1"), Self.tooLarge]))
      }
      #expect(batch?.code == .resultTooLarge)
      let inTransaction = await postgresError { try await pool.withTransaction { try await $0.execute(Self.tooLarge) } }
      #expect(inTransaction?.code == .resultTooLarge)
      #expect(try await pool.withConnection { $0.backendPID } == pid)
      // Streamed it may be of any size, and each operation is counted anew.
      let count = try await pool.withRows(Self.tooLarge) { rows in
        var count = 0
        for try await _ in rows { count += 1 }
        return count
      }
      #expect(count == 40_000)
      for _ in 0..<5 {
        let result = try await pool.execute("SELECT generate_series(1, 4000) AS n, repeat('x', 1000) AS filler")
        #expect(result.count == 4000)
      }
    }
  }

  @Test func takesAnyResultWhereNoLimitIsSet() async throws {
    for limit in [nil, 256 << 20] as [Int?] {
      let count = try await withTestPool({
        $0.maximumResultBytes = limit
        $0.defaultTimeout = .seconds(120)
      }) {
        try await $0.execute(Self.tooLarge).count
      }
      #expect(count == 40_000)
    }
    let invalid = await postgresError { try await withTestPool({ $0.maximumResultBytes = 0 }) { _ in } }
    #expect(invalid?.code == .invalidConfiguration)
  }
}
