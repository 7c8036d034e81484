import Foundation
import RegistryPostgres
import TestDatabase
import Testing

@Suite(.database)
struct CopyTests {
  private struct Refusal: Error {}

  @Test func writesAndReadsRowsInTextFormat() async throws {
    let values: [String?] = [
      "", nil, "\\N", "\\", "\t", "\n", "\r", "\r\n", "\\.", "a\tb\\c\nd", "ä€😀", " ", "\u{8}\u{b}\u{c}",
      String(repeating: "x\n", count: 100_000),
    ]
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint, name text, bytes bytea, at timestamptz, done bool)")
      let count = try await pool.copyIn("COPY item FROM STDIN") { writer in
        #expect(writer.columnCount == 5)
        #expect(!writer.isBinary)
        for (index, value) in values.enumerated() {
          try await writer.writeRow([
            .int(index), .text(value), .bytes([0, 9, 10, 92, 255]), .timestamp(microsecondsSince1970: 1), .bool(false),
          ])
        }
      }
      #expect(count == values.count)
      let rows = try await pool.execute("SELECT * FROM item ORDER BY id").rows
      #expect(try rows.map { try $0.decodeIfPresent("name", as: String.self) } == values)
      #expect(try rows.allSatisfy { try $0.decode("bytes", as: [UInt8].self) == [0, 9, 10, 92, 255] })
      #expect(try rows[0].decode("at", as: PostgresTimestamp.self).microsecondsSince1970 == 1)
      // What one COPY writes another reads back.
      try await pool.execute("CREATE TABLE copy (LIKE item)")
      let text = try await pool.copyOut("COPY item TO STDOUT") { chunks in
        #expect(!chunks.isBinary)
        var text: [UInt8] = []
        for try await chunk in chunks { text += chunk }
        return text
      }
      #expect(try await pool.copyIn("COPY copy FROM STDIN") { try await $0.write(text) } == values.count)
      let difference = try await pool.execute("SELECT * FROM item EXCEPT SELECT * FROM copy")
      #expect(difference.count == 0)
    }
  }

  /// The binary format, CSV and text cut anywhere go through as they are.
  @Test(arguments: ["binary", "csv", "text"], [1, 3, 8187, 1 << 20])
  func bytesGoThroughAsTheyAre(format: String, pieceBytes: Int) async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint, name text)")
      try await pool.execute(
        "INSERT INTO item SELECT n, 'ä, \"' || E'\\n\\t' || repeat('y', (n * 20)::int) FROM generate_series(1, 50) n")
      let bytes = try await pool.copyOut("COPY item TO STDOUT WITH (FORMAT \(format))") { chunks in
        #expect(chunks.isBinary == (format == "binary"))
        var bytes: [UInt8] = []
        for try await chunk in chunks { bytes += chunk }
        return bytes
      }
      try await pool.execute("CREATE TABLE copy (LIKE item)")
      let count = try await pool.copyIn("COPY copy FROM STDIN WITH (FORMAT \(format))") { writer in
        #expect(writer.isBinary == (format == "binary"))
        for start in stride(from: 0, to: bytes.count, by: pieceBytes) {
          try await writer.write(bytes[start..<min(start + pieceBytes, bytes.count)])
        }
        if format == "binary" {
          #expect(await postgresError { try await writer.writeRow([.null, .null]) }?.code == .unsupported)
        }
      }
      #expect(count == 50)
      let difference = try await pool.execute("SELECT * FROM item EXCEPT ALL SELECT * FROM copy")
      #expect(difference.count == 0)
    }
  }

  @Test func eachMessageIsARow() async throws {
    try await withTestPool { pool in
      let lines = try await pool.copyOut("COPY (SELECT n, 'x' FROM generate_series(1, 1000) n) TO STDOUT") { chunks in
        var lines: [String] = []
        for try await chunk in chunks { lines.append(String(decoding: chunk, as: UTF8.self)) }
        return lines
      }
      #expect(lines == (1...1000).map { "\($0)\tx\n" })
    }
  }

  @Test func nothingIsACopyAsWell() async throws {
    try await withTestPool { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      #expect(try await pool.copyIn("COPY item FROM STDIN") { _ in } == 0)
      #expect(try await pool.copyIn("COPY item FROM STDIN") { try await $0.write("") } == 0)
      try await pool.copyOut("COPY item TO STDOUT") { for try await _ in $0 { Issue.record("there are no rows") } }
    }
  }

  @Test func aBodyThatThrowsLeavesNothing() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      let pid = try await pool.withConnection { $0.backendPID }
      for count in [0, 1, 50_000] {
        await #expect(throws: Refusal.self) {
          try await pool.copyIn("COPY item FROM STDIN") { writer in
            for id in 0..<count { try await writer.writeRow([.int(id)]) }
            throw Refusal()
          }
        }
      }
      #expect(try await pool.execute("SELECT FROM item").count == 0)
      #expect(try await pool.withConnection { $0.backendPID } == pid)
    }
  }

  @Test func aTransactionThatThrowsLeavesNothing() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      await #expect(throws: Refusal.self) {
        try await pool.withTransaction { transaction in
          #expect(try await transaction.copyIn("COPY item FROM STDIN") { try await $0.writeRow([.int(1)]) } == 1)
          throw Refusal()
        }
      }
      #expect(try await pool.execute("SELECT FROM item").count == 0)
      try await pool.withTransaction { transaction in
        try await transaction.copyIn("COPY item FROM STDIN") { try await $0.writeRow([.int(1)]) }
        try await transaction.copyIn("COPY item FROM STDIN") { try await $0.writeRow([.int(2)]) }
      }
      #expect(try await pool.execute("SELECT FROM item").count == 2)
    }
  }

  @Test func refusesARowBeforeItIsSent() async throws {
    try await withTestPool { pool in
      try await pool.execute("CREATE TABLE item (id bigint, name text)")
      let count = try await pool.copyIn("COPY item FROM STDIN") { writer in
        try await writer.writeRow([.int(1), .text("a")])
        let nul = await postgresError { try await writer.writeRow([.int(2), .text("b\0")]) }
        #expect(nul?.code == .invalidParameter)
        #expect(nul?.message.contains("value 2") == true)
        #expect(await postgresError { try await writer.writeRow([.int(2)]) }?.code == .invalidParameter)
        try await writer.writeRow([.int(3), .null])
      }
      #expect(count == 2)
    }
  }

  @Test func namesARowThatTheServerRefuses() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint PRIMARY KEY, size int CHECK (size > 0))")
      let pid = try await pool.withConnection { $0.backendPID }
      for (text, state) in [
        ("1\tx\n", "22P02"), ("1\t1\n1\t1\n", "23505"), ("1\t0\n", "23514"), ("1\n", "22P04"), ("\\N\t1\n", "23502"),
      ] {
        let error = await postgresError {
          try await pool.copyIn("COPY item FROM STDIN") { try await $0.write(text) }
        }
        #expect(error?.code == .server)
        #expect(error?.sqlState == SQLState(state))
        #expect(error?.mayHaveTakenEffect == false)
      }
      #expect(try await pool.execute("SELECT FROM item").count == 0)
      #expect(try await pool.withConnection { $0.backendPID } == pid)
    }
  }

  /// A writer without an end hears of a bad row; notices before it do not hide it.
  @Test(arguments: [false, true])
  func hearsOfABadRowBeforeTheEnd(withNotices: Bool) async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      if withNotices {
        try await pool.withConnection { connection in
          try await connection.executeScript(
            """
            CREATE FUNCTION remark() RETURNS trigger LANGUAGE plpgsql AS
              $$ BEGIN RAISE NOTICE 'ERROR of row % %', NEW.id, repeat('x', (NEW.id % 100 = 0)::int * 100000);
              RETURN NEW; END $$;
            CREATE TRIGGER remark BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION remark();
            SET client_min_messages = notice;
            """)
        }
      }
      let pid = try await pool.withConnection { $0.backendPID }
      for badRow in [0, 1, 1000, 20_000] {
        let error = await postgresError {
          try await pool.copyIn("COPY item FROM STDIN", deadline: .now + .seconds(300)) { writer in
            for row in 0... { try await writer.write(row == badRow ? "bad\n" : "\(row)\n") }
          }
        }
        #expect(error?.sqlState == .invalidTextRepresentation)
      }
      #expect(try await pool.execute("SELECT FROM item").count == 0)
      #expect(try await pool.withConnection { $0.backendPID } == pid)
    }
  }

  /// A closure that does not let the error out does not make the rows stand.
  @Test func aSwallowedErrorIsStillTheAnswer() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      let error = await postgresError {
        try await pool.copyIn("COPY item FROM STDIN", deadline: .now + .seconds(300)) { writer in
          let error = await postgresError { while true { try await writer.write("bad\n") } }
          #expect(error?.sqlState == .invalidTextRepresentation)
        }
      }
      #expect(error?.sqlState == .invalidTextRepresentation)
      try await pool.execute("SELECT 1")
    }
  }

  @Test func refusesWhatIsNoStreamedCopy() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      let pid = try await pool.withConnection { $0.backendPID }
      func copyIn(_ text: String) async -> PostgresError? {
        await postgresError { try await pool.copyIn(text) { _ in Issue.record("the closure should not run") } }
      }
      func copyOut(_ text: String) async -> PostgresError? {
        await postgresError { try await pool.copyOut(text) { _ in Issue.record("the closure should not run") } }
      }
      for text in ["INSERT INTO item VALUES (1)", "SELECT 1", "", "-- COPY\nSELECT 1", "copying"] {
        #expect(await copyIn(text)?.code == .unsupported)
        #expect(await copyOut(text)?.code == .unsupported)
      }
      #expect(await copyIn("COPY item TO STDOUT")?.code == .unsupported)
      #expect(await copyIn("COPY (SELECT generate_series(1, 10000000)) TO STDOUT")?.code == .unsupported)
      #expect(await copyOut("COPY item FROM STDIN")?.code == .unsupported)
      #expect(await copyIn("COPY nowhere FROM STDIN")?.sqlState == .undefinedTable)
      #expect(await copyOut("COPY nowhere TO STDOUT")?.sqlState == .undefinedTable)
      // Two in one text are the server's to refuse.
      #expect(await copyIn("COPY item FROM STDIN; COPY item FROM STDIN")?.sqlState == SQLState("42601"))
      #expect(await copyOut("COPY item TO STDOUT; DROP TABLE item")?.sqlState == SQLState("42601"))
      let byServer = await copyOut("COPY item TO PROGRAM 'cat >/dev/null'")
      #expect(byServer?.code == .unsupported)
      #expect(byServer?.mayHaveTakenEffect == true)
      #expect(try await pool.execute("SELECT FROM item").count == 0)
      #expect(try await pool.withConnection { $0.backendPID } == pid)
      #expect(await copyIn("COPY item FROM STDIN -- \0")?.code == .invalidParameter)
      let asStatement = await postgresError { try await pool.execute("COPY item TO STDOUT") }
      #expect(asStatement?.code == .unsupported)
      #expect(asStatement?.message.contains("copyOut") == true)
    }
  }

  @Test func readsTheFirstWordOnly() async throws {
    try await withTestPool { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      let text = " \n-- one\n/* two /* three */ */ cOpY\titem FROM STDIN"
      #expect(try await pool.copyIn(text) { try await $0.write("1\n") } == 1)
      #expect(try await pool.copyOut("COPY(SELECT 1)TO STDOUT") { for try await _ in $0 {} } == ())
    }
  }

  @Test func oneUseAtATimeAndNoneAfterwards() async throws {
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (id bigint)")
      try await pool.withConnection { connection in
        nonisolated(unsafe) var leaked: PostgresCopyWriter?
        try await connection.copyIn("COPY item FROM STDIN") { writer in
          leaked = writer
          #expect(await postgresError { try await connection.execute("SELECT 1") }?.code == .busy)
          try await writer.write("1\n")
        }
        #expect(await postgresError { try await leaked?.write("2\n") }?.code == .closed)
        #expect(await postgresError { try await leaked?.writeRow([.int(2)]) }?.code == .closed)
        let chunks = try await connection.copyOut("COPY item TO STDOUT") { chunks in
          #expect(await postgresError { try await connection.execute("SELECT 1") }?.code == .busy)
          return chunks
        }
        #expect(await postgresError { for try await _ in chunks {} }?.code == .closed)
      }
      #expect(try await pool.execute("SELECT FROM item").count == 1)
    }
  }

  @Test func aChunkOfSixtyFourMebibytesGoesBothWays() async throws {
    let text = String(repeating: "x", count: (64 << 20) - 1) + "\n"
    try await withTestPool({ $0.maximumConnections = 1 }) { pool in
      try await pool.execute("CREATE TABLE item (name text)")
      let deadline = ContinuousClock.now + .seconds(120)
      #expect(try await pool.copyIn("COPY item FROM STDIN", deadline: deadline) { try await $0.write(text) } == 1)
      let count = try await pool.copyOut("COPY item TO STDOUT", deadline: deadline) { chunks in
        var count = 0
        for try await chunk in chunks { count += chunk.count }
        return count
      }
      #expect(count == text.utf8.count)
      try await pool.withRows(PostgresStatement("SELECT name FROM item"), deadline: deadline) { rows in
        for try await row in rows { #expect(try row.decode("name", as: String.self).utf8.count == count - 1) }
      }
    }
  }
}
