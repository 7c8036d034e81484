import ConnectionRegistry
import Foundation
import Logging
import RegistryPostgres
import RegistrySQL
import TestDatabase
import Testing

@Suite("The migrator", .database)
struct MigratorTests {
  private func migration(
    _ number: Int, _ statements: [String], name: String? = nil, isBreaking: Bool = false, isTransactional: Bool = true
  ) -> Migration {
    Migration(
      number: number, name: name ?? "step_\(number)", isBreaking: isBreaking, isTransactional: isTransactional,
      statements: statements)
  }

  private var three: [Migration] {
    [
      migration(1, ["CREATE TABLE registry.a (id bigint PRIMARY KEY)"]),
      migration(2, ["CREATE TABLE registry.b (id bigint PRIMARY KEY)", "INSERT INTO registry.b VALUES (1)"]),
      migration(3, ["ALTER TABLE registry.a ADD COLUMN note text"]),
    ]
  }

  private func migrator(_ pool: PostgresPool, _ migrations: [Migration], timeout: Duration = .seconds(60)) -> Migrator {
    Migrator(pool: pool, migrations: migrations, timeout: timeout, logger: quiet)
  }

  private var quiet: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

  @Test("brings an empty database to the binary's schema, tells how it stands, and does nothing the second time")
  func applies() async throws {
    try await withDatabase { pool in
      let migrator = Migrator(pool: pool, logger: quiet)
      let empty = try await migrator.status()
      #expect(empty.applied == [] && empty.pending == RegistryMigrations.all && empty.problems == [])
      await #expect(throws: MigrationError.notMigrated(pending: RegistryMigrations.all.map(\.fileName))) {
        try await migrator.requireMigrated()
      }
      let plan = try await migrator.plan()
      #expect(plan == RegistryMigrations.all)
      let nothingYet = try await pool.count("SELECT count(*) FROM pg_namespace WHERE nspname = 'registry'")
      #expect(nothingYet == 0)

      let ran = try await migrator.apply()
      #expect(ran == RegistryMigrations.all)
      let status = try await migrator.requireMigrated()
      #expect(status.applied.map(\.checksum) == RegistryMigrations.all.map(\.checksum))
      #expect(status.applied.map(\.name) == RegistryMigrations.all.map(\.name))
      #expect(status.applied.map(\.isBreaking) == RegistryMigrations.all.map(\.isBreaking))
      #expect(status.pending == [] && status.newer == [] && status.warning == nil)

      let log = try await pool.texts("SELECT xmin::text FROM registry.migration_log ORDER BY number")
      let again = try await migrator.apply()
      #expect(again == [])
      let unchanged = try await pool.texts("SELECT xmin::text FROM registry.migration_log ORDER BY number")
      #expect(unchanged == log)
    }
  }

  @Test("the roles of the service may ask how the schema stands, and not change it")
  func roles() async throws {
    try await withDatabase { _ = try await Migrator(pool: $0, logger: quiet).apply() }
    for role in ["registry_service", "registry_worker"] {
      try await withDatabase(role: role) { pool in
        let status = try await Migrator(pool: pool, logger: quiet).requireMigrated()
        #expect(status.pending == [])
        let next = migration(RegistryMigrations.all.count + 1, ["SELECT 1"])
        await #expect(throws: PostgresError.self) { try await migrator(pool, RegistryMigrations.all + [next]).apply() }
      }
    }
  }

  @Test("of many at once, on an empty database, each migration runs once")
  func manyAtOnce() async throws {
    try await withDatabase(connections: 16) { pool in
      let migrations = three
      let ran = try await withThrowingTaskGroup(of: [Migration].self) { group in
        for _ in 0..<8 { group.addTask { try await migrator(pool, migrations).apply() } }
        return try await group.reduce(into: []) { $0 += $1 }
      }
      #expect(ran.map(\.number).sorted() == [1, 2, 3])
      let rows = try await pool.count("SELECT count(*) FROM registry.b")
      #expect(rows == 1)
    }
  }

  @Test("of two at once the second waits for the first's row")
  func secondWaits() async throws {
    try await withDatabase { pool in
      try await migrator(pool, []).apply()
      try await pool.execute("CREATE TABLE registry.gate (id bigint)")
      let slow = [migration(1, ["LOCK TABLE registry.gate", "CREATE TABLE registry.slow (id bigint)"])]
      let ran = try await withThrowingTaskGroup(of: Int.self) { group in
        // The first stops at the gate inside its transaction; the second stops at the first one's row.
        try await pool.withTransaction { gate in
          try await gate.execute("LOCK TABLE registry.gate")
          group.addTask { try await migrator(pool, slow).apply().count }
          try await waiters(1, in: pool)
          group.addTask { try await migrator(pool, slow).apply().count }
          try await waiters(2, in: pool)
        }
        return try await group.reduce(0, +)
      }
      #expect(ran == 1)
    }
  }

  /// Waits until so many backends of this database wait for a lock; the server is asked, nothing sleeps.
  private func waiters(_ count: Int, in pool: PostgresPool) async throws {
    while try await pool.count(
      "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") < count
    {
      await Task.yield()
    }
  }

  @Test("a migration killed halfway leaves nothing, and runs whole the next time")
  func killedHalfway() async throws {
    try await withDatabase { pool in
      try await migrator(pool, []).apply()
      try await pool.execute("CREATE TABLE registry.gate (id bigint)")
      let slow = [migration(1, ["CREATE TABLE registry.half (id bigint)", "LOCK TABLE registry.gate"])]
      try await pool.withTransaction { gate in
        try await gate.execute("LOCK TABLE registry.gate")
        let killed = Task { try await migrator(pool, slow).apply() }
        try await waiters(1, in: pool)
        try await pool.execute(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        await #expect(throws: (any Error).self) { try await killed.value }
      }
      let left = try await pool.texts("SELECT to_regclass('registry.half')::text AS half")
      #expect(left == ["null"])
      let status = try await migrator(pool, slow).status()
      #expect(status.applied == [])
      let ran = try await migrator(pool, slow).apply()
      #expect(ran == slow)
    }
  }

  @Test("a statement that is refused names its file and number, and keeps nothing of its migration")
  func refusedStatement() async throws {
    try await withDatabase { pool in
      let broken = three[..<2] + [migration(3, ["CREATE TABLE registry.c (id bigint)", "SELECT no_such_column"])]
      let error = await #expect(throws: MigrationError.self) { try await migrator(pool, Array(broken)).apply() }
      guard case .statementFailed(let file, let statement, let isTransactional, let cause) = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(file == "0003_step_3.sql" && statement == 2 && isTransactional)
      #expect(cause.sqlState == .undefinedColumn)
      #expect(error?.isSchemaMismatch == false)
      let status = try await migrator(pool, three).status()
      #expect(status.applied.map(\.number) == [1, 2])
      let third = try await pool.texts("SELECT to_regclass('registry.c')::text AS c")
      #expect(third == ["null"])
      let ran = try await migrator(pool, three).apply()
      #expect(ran.map(\.number) == [3])
    }
  }

  @Test("a migration edited after it ran is refused, with both checksums and the file's name")
  func changedChecksum() async throws {
    try await withDatabase { pool in
      try await migrator(pool, three).apply()
      var edited = three
      edited[1] = migration(2, ["CREATE TABLE registry.b (id bigint PRIMARY KEY, more text)"])
      let expected = MigrationError.checksumChanged(
        file: "0002_step_2.sql", recorded: three[1].checksum, embedded: edited[1].checksum)
      edited.append(migration(4, ["CREATE TABLE registry.d (id bigint)"]))
      for run in [
        { try await migrator(pool, edited).apply().count }, { try await migrator(pool, edited).plan().count },
      ] {
        await #expect(throws: expected) { _ = try await run() }
      }
      let status = try await migrator(pool, edited).status()
      #expect(status.problems == [expected])
      #expect(expected.description.contains(three[1].checksum) && expected.description.contains(edited[1].checksum))
      let fourth = try await pool.texts("SELECT to_regclass('registry.d')::text AS d")
      #expect(fourth == ["null"])
    }
  }

  @Test("a mark changed after the fact changes the checksum; a new name does not go unnoticed in the log")
  func marks() {
    let plain = migration(1, ["SELECT 1"])
    #expect(migration(1, ["SELECT 1"], isBreaking: true).checksum != plain.checksum)
    #expect(migration(1, ["SELECT 1"], isTransactional: false).checksum != plain.checksum)
    #expect(migration(1, ["SELECT 2"]).checksum != plain.checksum)
    #expect(migration(1, ["SELECT 1"], name: "other").checksum == plain.checksum)
    #expect(plain.checksum.count == 64 && plain.fileName == "0001_step_1.sql")
  }

  @Test("an older binary works on a newer compatible schema, with a warning")
  func newerCompatible() async throws {
    try await withDatabase { pool in
      try await migrator(pool, three).apply()
      let older = migrator(pool, Array(three[..<2]))
      let status = try await older.requireMigrated()
      #expect(status.newer.map(\.number) == [3])
      #expect(status.warning?.contains("migration 3 (step_3), newer than this binary") == true)
      let ran = try await older.apply()
      #expect(ran == [])
    }
  }

  @Test(
    "an older binary refuses a newer breaking schema, also where a compatible one follows", arguments: [false, true])
  func newerBreaking(isFollowed: Bool) async throws {
    try await withDatabase { pool in
      let breaking = [migration(3, ["ALTER TABLE registry.a ADD COLUMN n bigint"], isBreaking: true)]
      let following = isFollowed ? [migration(4, ["CREATE TABLE registry.d (id bigint)"])] : []
      try await migrator(pool, three[..<2] + breaking + following).apply()
      let expected = MigrationError.schemaTooNew(number: 3, name: "step_3", latestKnown: 2)
      #expect(expected.isSchemaMismatch)
      let older = migrator(pool, Array(three[..<2]))
      await #expect(throws: expected) { try await older.requireMigrated() }
      await #expect(throws: expected) { try await older.validate() }
      await #expect(throws: expected) { try await older.apply() }
    }
  }

  @Test("a log with a gap is refused")
  func gap() async throws {
    try await withDatabase { pool in
      try await migrator(pool, three).apply()
      try await pool.execute("DELETE FROM registry.migration_log WHERE number = 2")
      await #expect(throws: MigrationError.gap(missing: [2], latest: 3)) { try await migrator(pool, three).apply() }
    }
  }

  @Test("without a transaction: what refuses to run in one runs, once, by one of two migrators")
  func withoutTransaction() async throws {
    try await withDatabase(connections: 8) { pool in
      let index = migration(
        2, ["CREATE INDEX CONCURRENTLY IF NOT EXISTS a_id ON registry.a (id)"], isTransactional: false)
      let migrations = [three[0], index]
      let ran = try await withThrowingTaskGroup(of: [Migration].self) { group in
        for _ in 0..<2 { group.addTask { try await migrator(pool, migrations).apply() } }
        return try await group.reduce(into: []) { $0 += $1 }
      }
      #expect(ran.map(\.number).sorted() == [1, 2])
      let valid = try await pool.count(
        "SELECT count(*) FROM pg_index WHERE indexrelid = 'registry.a_id'::regclass AND indisvalid")
      #expect(valid == 1)
    }
  }

  @Test("without a transaction: a failure keeps the statements before it and no log row; the next run repeats them")
  func withoutTransactionFails() async throws {
    try await withDatabase { pool in
      func steps(_ second: String) -> [Migration] {
        [migration(1, ["CREATE TABLE IF NOT EXISTS registry.kept (id bigint)", second], isTransactional: false)]
      }
      let error = await #expect(throws: MigrationError.self) {
        try await migrator(pool, steps("SELECT nothing")).apply()
      }
      #expect(
        error?.description.contains("statement 2 of migration 0001_step_1.sql failed, and the statements before it")
          == true)
      let kept = try await pool.count("SELECT count(*) FROM registry.kept")
      #expect(kept == 0)
      let logged = try await pool.count("SELECT count(*) FROM registry.migration_log")
      #expect(logged == 0)
      let ran = try await migrator(pool, steps("SELECT 1")).apply()
      #expect(ran.count == 1)
    }
  }

  @Test("it gives up in time, and says who may hold it up")
  func timesOut() async throws {
    try await withDatabase { pool in
      try await migrator(pool, []).apply()
      try await pool.withTransaction { holder in
        try await holder.execute("LOCK TABLE registry.migration_log IN SHARE ROW EXCLUSIVE MODE")
        await #expect(throws: MigrationError.timedOut(file: "0001_step_1.sql")) {
          try await migrator(pool, three, timeout: .milliseconds(200)).apply()
        }
      }
    }
  }

  @Test("names in a migration are not looked up on the database's search path")
  func searchPath() async throws {
    try await withDatabase { pool in
      let error = await #expect(throws: MigrationError.self) {
        try await migrator(pool, [migration(1, ["CREATE TABLE stray (id bigint)"])]).apply()
      }
      guard case .statementFailed(_, 1, _, _) = error else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
  }
}
