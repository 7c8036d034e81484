#if os(Linux)
  import Foundation
  import Logging
  import RegistryPostgres
  import TestDatabase
  import Testing

  /// How much memory streams take, each measured in a process of its own, where no other test runs.
  @Suite(.database)
  struct StreamMemoryTests {
    @Test func aHundredThousandRowsTakeConstantMemory() async throws {
      await #expect(processExitsWith: .success) {
        [database = TestDatabase.current as String] in
        try await StreamMemoryTests.measure(on: database, rowCount: 100_000, fillerBytes: 500)
      }
    }

    @Test(.enabled(if: ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1"))
    func aMillionRowsTakeConstantMemory() async throws {
      await #expect(processExitsWith: .success) {
        [database = TestDatabase.current as String] in
        try await StreamMemoryTests.measure(on: database, rowCount: 1_000_000, fillerBytes: 200)
      }
    }

    /// 32 MiB.
    static let limit = 32 << 20

    /// Streams rows out, and out and in by COPY at the same time, looking at the peak of the process's memory.
    static func measure(on database: String, rowCount: Int, fillerBytes: Int) async throws {
      var configuration = PostgresPool.Configuration.patient(database)
      configuration.maximumConnections = 2
      let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      try await PostgresPool.withPool(configuration, logger: logger) { pool in
        // What is needed once: code, caches, buffers.
        try await stream(on: pool, rowCount: 2_000, fillerBytes: fillerBytes) { _ in }
        try await stream(on: pool, rowCount: rowCount, fillerBytes: fillerBytes) { stage in
          let growth = try Memory.peak() - Memory.baseline
          #expect(growth <= limit, "\(stage) took \(growth) bytes")
        }
      }
    }

    private static func stream(
      on pool: PostgresPool, rowCount: Int, fillerBytes: Int, _ report: (String) throws -> Void
    ) async throws {
      let select = "SELECT generate_series(1, \(rowCount)) AS id, repeat('x', \(fillerBytes)) AS filler"
      try Memory.reset()
      let sum = try await pool.withRows(PostgresStatement(select)) { rows in
        var sum = 0
        for try await row in rows { sum += try row.decode("id", as: Int.self) }
        return sum
      }
      #expect(sum == rowCount * (rowCount + 1) / 2)
      try report("rows out")
      try Memory.reset()
      let count = try await pool.copyOut("COPY (\(select)) TO STDOUT") { chunks in
        var count = 0
        for try await _ in chunks { count += 1 }
        return count
      }
      #expect(count == rowCount)
      try report("COPY out")
      try await pool.withConnection { try await $0.executeScript("DROP TABLE IF EXISTS item") }
      try await pool.execute("CREATE UNLOGGED TABLE item (id bigint, filler text)")
      let filler = PostgresParameter.text(String(repeating: "x", count: fillerBytes))
      try Memory.reset()
      let copied = try await pool.copyIn("COPY item FROM STDIN") { writer in
        for id in 1...rowCount { try await writer.writeRow([.int(id), filler]) }
      }
      #expect(copied == rowCount)
      try report("COPY in")
    }

    /// The memory of this process, from /proc.
    private enum Memory {
      nonisolated(unsafe) static var baseline = 0

      /// Begins anew: the peak is what is resident now.
      static func reset() throws {
        try Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))
        baseline = try bytes("VmRSS")
      }

      static func peak() throws -> Int { try bytes("VmHWM") }

      private static func bytes(_ name: String) throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix(name + ":") })
        return try #require(Int(line.filter(\.isNumber))) << 10
      }
    }
  }
#endif
