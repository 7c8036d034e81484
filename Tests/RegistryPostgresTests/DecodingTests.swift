import Foundation
import TestDatabase
import TestRandom
import Testing

@testable import RegistryPostgres

@Suite(.database)
struct DecodingTests {
  @Test func valuesComeBackAsTheyWent() async throws {
    let id = UUID()
    let bytes = (0...255).map(UInt8.init)
    let texts: [String] = ["", "a", "NULL", "null", "a,b", "{}", "\"", "\\", "a b", "ä🙂", "\n"]
    try await withTestPool { pool in
      let row = try await pool.execute(
        """
        SELECT $1::text AS text, $2::uuid AS uuid, $3::bigint AS int, $4::float8 AS double, $5::bool AS bool,
          $6::bytea AS bytes, $7::text[] AS texts, $8::uuid[] AS uuids, $9::bytea[] AS blobs, $10::bigint[] AS ints,
          $11::bool[] AS bools, $12::interval = interval '1 minute 0.25 seconds' AS same, $13::interval AS seconds,
          $14::text AS nothing
        """,
        [
          .text("ä'\"\\"), .uuid(id), .int(Int64.min), .double(0.1), .bool(true), .bytes(bytes), .textArray(texts),
          .uuidArray([id, id]), .bytesArray([bytes, []]), .intArray([1, -2]), .boolArray([true, false]),
          .interval(.milliseconds(60_250)), .interval(seconds: 1.5), .null,
        ]
      ).rows[0]
      #expect(try row.decode("text") == "ä'\"\\")
      #expect(try row.decode("uuid") == id)
      #expect(try row.decode("int") == Int64.min)
      #expect(try row.decode("double") == 0.1)
      #expect(try row.decode("bool") == true)
      #expect(try row.decode("bytes") == bytes)
      #expect(try row.decode("texts") == texts)
      #expect(try row.decode("uuids") == [id, id])
      #expect(try row.decode("blobs") == [bytes, []])
      #expect(try row.decode("ints") == [1, -2])
      #expect(try row.decode("bools") == [true, false])
      #expect(try row.decode("same") == true)
      #expect(try row.decode("seconds") == "00:00:01.5")
      #expect(row.isNull("nothing"))
      #expect(try row.decodeIfPresent("nothing", as: Int.self) == nil)
    }
  }

  @Test func nullsAndEmptyArrays() async throws {
    try await withTestPool { pool in
      let row = try await pool.execute(
        """
        SELECT $1::text[] AS empty, $2::bytea AS bytes, array_position($3::text[], NULL) AS place,
          array_position($4::uuid[], NULL) AS uuid_place
        """,
        [.textArray([]), .bytes([]), .textArray(["a", nil]), .uuidArray([nil])]
      ).rows[0]
      #expect(try row.decode("empty", as: [String].self) == [])
      #expect(try row.decode("bytes", as: [UInt8].self) == [])
      #expect(try row.decode("place", as: Int.self) == 2)
      #expect(try row.decode("uuid_place", as: Int.self) == 1)
    }
  }

  /// PostgreSQL itself is the judge of the calendar, at any offset of the session.
  @Test(arguments: ["UTC", "Asia/Kolkata", "America/St_Johns", "Africa/Monrovia"])
  func timestampsAreExactToTheMicrosecond(timeZone: String) async throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    let fixed: [Int64] = [
      0, 1, -1, 999_999, -62_135_596_800_000_000, -62_135_596_800_000_001, 253_402_300_799_999_999,
      -210_866_000_000_000_000, 951_782_400_000_000, 4_102_444_800_000_000, 1_792_540_800_123_456,
    ]
    let instants =
      fixed
      + (0..<500).map { _ in Int64.random(in: -100_000_000_000_000_000...200_000_000_000_000_000, using: &random) }
    try await withTestPool { pool in
      try await pool.withTransaction(settings: [try .init("TimeZone", timeZone)]) { transaction in
        let rows = try await transaction.execute(
          """
          SELECT at, (extract(epoch FROM at) * 1000000)::bigint AS us
          FROM unnest($1::timestamptz[]) WITH ORDINALITY AS given (at, place) ORDER BY place
          """, [.timestampArray(microsecondsSince1970: instants)]
        ).rows
        for (row, instant) in zip(rows, instants) {
          #expect(try row.decode("us", as: Int64.self) == instant, "seed \(seed)")
          #expect(try row.decode("at", as: PostgresTimestamp.self).microsecondsSince1970 == instant, "seed \(seed)")
        }
      }
    }
  }

  @Test func datesKeepTheirMicroseconds() async throws {
    var random = SystemRandomNumberGenerator()
    let instants = (0..<500).map { _ in Int64.random(in: 0...4_102_444_800_000_000, using: &random) }
    for instant in instants {
      let date = PostgresTimestamp(microsecondsSince1970: instant).date
      #expect(PostgresTimestamp(date).microsecondsSince1970 == instant)
    }
    #expect(PostgresTimestamp(.distantFuture) > PostgresTimestamp(.distantPast))
    let date = Date(timeIntervalSince1970: 1_792_540_800.123456)
    try await withTestPool { pool in
      let row = try await pool.execute("SELECT $1::timestamptz AS at", [.timestamp(date)]).rows[0]
      #expect(try row.decode("at", as: Date.self) == PostgresTimestamp(date).date)
    }
  }

  @Test func refusesWhatIsNotOfTheType() async throws {
    try await withTestPool { pool in
      let row = try await pool.execute(
        """
        SELECT 'secret' AS text, 70000 AS int, 'infinity'::timestamptz AS at, NULL AS nothing,
          ARRAY['a', NULL] AS texts, ARRAY[[1],[2]] AS nested, '{"a": 1}'::jsonb AS json, 1.5 AS numeric
        """
      ).rows[0]
      func error(_ body: () throws -> Any) throws -> PostgresError {
        let error = try #require(throws: PostgresError.self) { try body() }
        #expect(error.code == .decoding)
        return error
      }
      let mismatch = try error { try row.decode("text", as: Int.self) }
      #expect(mismatch.columnName == "text")
      #expect(!String(reflecting: mismatch).contains("secret"))
      _ = try error { try row.decode("int", as: Int16.self) }
      _ = try error { try row.decode("at", as: Date.self) }
      _ = try error { try row.decode("texts", as: [String].self) }
      _ = try error { try row.decode("nested", as: [Int].self) }
      _ = try error { try row.decode("text", as: UUID.self) }
      _ = try error { try row.decode("text", as: Bool.self) }
      let absent = try error { try row.decode("nothing", as: Int.self) }
      #expect(absent.message.contains("decodeIfPresent"))
      let missing = try error { try row.decode("missing", as: Int.self) }
      #expect(missing.message.contains("text, int, at"))
      #expect(try row.decode("json", as: [UInt8].self) == Array(#"{"a": 1}"#.utf8))
      #expect(try row.decode("numeric", as: Double.self) == 1.5)
    }
  }

  @Test func parametersShowNoValue() {
    var dumped = ""
    dump(PostgresStatement("SELECT $1", [.text("secret"), .bytes([7, 7])]), to: &dumped)
    #expect(!dumped.contains("secret"))
    #expect(!"\(PostgresParameter.text("secret"))".contains("secret"))
    #expect(!String(reflecting: PostgresParameter.text("secret")).contains("secret"))
  }

  @Test(arguments: ["", "a-b", "a b", "1a", "a.b.c", ".a", "a.", "a;b", "a'b"])
  func refusesSettingsOfOtherNames(name: String) {
    #expect(throws: PostgresError.self) { try PostgresBatch.Setting(name, "x") }
  }

  @Test(arguments: ["a\0b", "a\\b", String(repeating: "x", count: 1025)])
  func refusesSettingsOfOtherValues(value: String) {
    #expect(throws: PostgresError.self) { try PostgresBatch.Setting("registry.x", value) }
  }
}
