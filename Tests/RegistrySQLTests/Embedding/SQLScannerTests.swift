import EmbedSQLParsing
import TestRandom
import Testing

@Suite("The scanner reads SQL as the server does")
struct SQLScannerTests {
  private func statements(_ text: String) throws -> [String] {
    SQLStatement.split(try SQLScanner.tokens(of: text, file: "a.sql"), of: text).map(\.text)
  }

  @Test(
    "a semicolon ends a statement only outside quotes, comments and bodies",
    arguments: [
      ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
      ("SELECT ';'; SELECT 2;", ["SELECT ';'", "SELECT 2"]),
      ("SELECT 'it''s; x'; SELECT 2", ["SELECT 'it''s; x'", "SELECT 2"]),
      (#"SELECT E'\';'; SELECT 2"#, [#"SELECT E'\';'"#, "SELECT 2"]),
      (#"SELECT '\'; SELECT 2"#, [#"SELECT '\'"#, "SELECT 2"]),
      (#"SELECT ";""x"; SELECT 2"#, [#"SELECT ";""x""#, "SELECT 2"]),
      ("SELECT $$;$$; SELECT 2", ["SELECT $$;$$", "SELECT 2"]),
      ("SELECT $a$ $b$; $$ $a$; SELECT 2", ["SELECT $a$ $b$; $$ $a$", "SELECT 2"]),
      ("SELECT 1 -- it's; not\n; SELECT 2", ["SELECT 1", "SELECT 2"]),
      ("SELECT /* ; /* ' */ ; */ 1; SELECT 2", ["SELECT /* ; /* ' */ ; */ 1", "SELECT 2"]),
      ("-- only\n/* comments */", []),
      ("-- before\nSELECT 1 /* in */ + 1 -- after\n;-- end", ["SELECT 1 /* in */ + 1"]),
      ("SELECT a$b$c, 1; SELECT 2", ["SELECT a$b$c, 1", "SELECT 2"]),
      (
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3",
        ["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END", "SELECT 3"]
      ),
      ("SELECT 'é😀;'; SELECT \"ü;\"", ["SELECT 'é😀;'", "SELECT \"ü;\""]),
    ] as [(String, [String])])
  func splits(text: String, expected: [String]) throws {
    #expect(try statements(text) == expected)
  }

  @Test("parameters are found outside quotes and comments only")
  func parameters() throws {
    let text = "SELECT $1, '$2', \"$3\", $$ $4 $$, a$5 /* $6 */ -- $7\n, $12"
    let statement = try #require(SQLStatement.split(try SQLScanner.tokens(of: text, file: "a.sql"), of: text).first)
    #expect(statement.parameters == [1, 12])
  }

  @Test(
    "what cannot end is told with the line on which it began",
    arguments: [
      ("\nSELECT 'x", 2, "quote"), ("SELECT 1;\n\nSELECT \"x", 3, "quote"), ("\n\n/* /* */", 3, "comment"),
      ("SELECT $a$ $b$\n", 1, "dollar"), ("\\d registry.tenant", 1, "psql"), ("SELECT 1\0", 1, "NUL"),
      ("SELECT $99999", 1, "$65535"),
    ])
  func unfinished(text: String, line: Int, word: String) {
    let problem = #expect(throws: SQLProblem.self) { try SQLScanner.tokens(of: text, file: "a.sql") }
    #expect(problem?.line == line)
    #expect(problem?.message.contains(word) == true)
  }

  @Test("any text is scanned to its end, and tokens cover it without overlap")
  func anyText() {
    let seed = UInt64.random(in: .min ... .max)
    var generator = SeededGenerator(seed: seed)
    let alphabet = [
      "'", "\"", "$", "$a$", "a", "1", ";", "--", "\n", "/*", "*/", " ", "é", "E'", "\\'", ":", "case", "end",
    ]
    for _ in 0..<2_000 {
      let text = (0..<Int.random(in: 0...24, using: &generator)).map { _ in
        alphabet.randomElement(using: &generator) ?? ""
      }.joined()
      guard let tokens = try? SQLScanner.tokens(of: text, file: "a.sql") else { continue }
      var end = 0
      for token in tokens {
        #expect(token.range.lowerBound >= end && !token.range.isEmpty, "seed \(seed), text \(text)")
        end = token.range.upperBound
      }
      #expect(end <= text.utf8.count, "seed \(seed), text \(text)")
    }
  }
}
