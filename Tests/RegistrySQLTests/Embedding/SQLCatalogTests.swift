import EmbedSQLParsing
import Testing

@Suite("A wrong SQL file stops the build with its place and with what would be right")
struct SQLCatalogTests {
  private func catalog(
    migrations: [(String, String)] = [], queries: [(String, String)] = [], fragments: [(String, String)] = []
  ) -> SQLCatalog {
    func files(_ pairs: [(String, String)]) -> [SQLFile] {
      pairs.map { SQLFile(name: $0.0, path: $0.0, bytes: Array($0.1.utf8)) }
    }
    return SQLCatalog(migrations: files(migrations), queries: files(queries), fragments: files(fragments))
  }

  @Test("statements come out named, with role, parameters and words, without their header")
  func statements() throws {
    let text = """
      -- About the file.

      -- name: one_thing
      -- Says what it is for:
      -- two lines.
      SELECT $1, $2, $1 -- kept
      FROM t;
      -- trailing words
      -- name: two
      -- role: worker
      SELECT 'a;b';
      """
    let catalog = catalog(queries: [("a.sql", text)])
    #expect(catalog.problems == [])
    let first = try #require(catalog.statements.first)
    #expect(first.name == "one_thing")
    #expect(first.role == "service")
    #expect(first.parameterCount == 2)
    #expect(first.text == "SELECT $1, $2, $1 -- kept\nFROM t")
    #expect(first.documentation == ["Says what it is for:", "two lines."])
    #expect(first.line == 3)
    #expect(catalog.statements.map(\.name) == ["one_thing", "two"])
    #expect(catalog.statements.last?.role == "worker")
  }

  @Test("what a header says of time and repetition comes out, and what it leaves out")
  func properties() {
    let catalog = catalog(queries: [
      ("a.sql", "-- name: a\n-- long: yes\nSELECT 1;\n-- name: b\n-- repeatable: no\nUPDATE t SET a = a + 1;")
    ])
    #expect(catalog.problems == [])
    #expect(catalog.statements.map(\.isLong) == [true, false])
    #expect(catalog.statements.map(\.isRepeatable) == [true, false])
    #expect(catalog.statements.map(\.isReadOnly) == [true, false])
  }

  @Test(
    "a statement that writes, locks or might is none that only reads",
    arguments: [
      ("SELECT 1", true), ("VALUES (1)", true), ("TABLE t", true), ("(SELECT 1)", true),
      ("-- UPDATE\nSELECT 'DELETE', \"update\" FROM t /* INSERT */", true),
      ("WITH a AS (SELECT 1) SELECT a.x FROM a", true),
      ("INSERT INTO t VALUES (1)", false), ("UPDATE t SET a = 1", false), ("DELETE FROM t", false),
      ("MERGE INTO t USING s ON true WHEN MATCHED THEN DO NOTHING", false),
      ("WITH a AS (DELETE FROM t RETURNING b) SELECT b FROM a", false),
      ("WITH a AS (SELECT 1) INSERT INTO t SELECT 1 FROM a", false),
      ("SELECT a FROM t FOR UPDATE", false), ("SELECT a FROM t FOR NO KEY UPDATE", false),
      ("SELECT a FROM t FOR KEY SHARE", false), ("SELECT a INTO u FROM t", false), ("SELECT nextval('s')", false),
      ("LOCK TABLE t", false), ("CREATE TABLE t (a int)", false), ("CALL p()", false),
    ])
  func reading(text: String, isReadOnly: Bool) throws {
    let statement = try #require(catalog(queries: [("a.sql", "-- name: a\n\(text);")]).statements.first)
    #expect(statement.isReadOnly == isReadOnly)
  }

  @Test("a fragment stands in for its line, before the parameters are counted")
  func fragments() throws {
    let catalog = catalog(
      queries: [("a.sql", "-- name: a\n-- include: matching, other\n--> matching\nSELECT $1 FROM m\n--> other\n;")],
      fragments: [("matching.sql", "-- Why.\nWITH m AS (SELECT $2::int) -- end\n"), ("other.sql", "WHERE true")])
    #expect(catalog.problems == [])
    let statement = try #require(catalog.statements.first)
    #expect(statement.text == "WITH m AS (SELECT $2::int)\nSELECT $1 FROM m\nWHERE true")
    #expect(statement.parameterCount == 2)
  }

  @Test(
    "each mistake in a query file",
    arguments: [
      ("SELECT 1;", 1, "without a name"),
      ("\n\nSELECT 1;\n-- name: a\nSELECT 1;", 3, "without a name"),
      ("-- nothing here", 1, "no statement"),
      ("-- name: connectionJoin\nSELECT 1;", 1, "snake case"),
      ("-- name: connection__join\nSELECT 1;", 1, "snake case"),
      ("-- name: 1st\nSELECT 1;", 1, "snake case"),
      ("-- name: \nSELECT 1;", 1, "snake case"),
      ("-- name: all\nSELECT 1;", 1, "taken"),
      ("-- name: a\nSELECT 1;\n\n-- name: a\nSELECT 2;", 4, "used at a.sql:1"),
      ("-- name: a_b1\nSELECT 1;\n-- name: aB1\nSELECT 2;", 3, "snake case"),
      ("-- name: a\n-- role: admin\nSELECT 1;", 2, "service, worker, owner"),
      ("-- name: a\n-- role: worker\n-- role: owner\nSELECT 1;", 3, "second"),
      ("-- name: a\n-- rol: worker\nSELECT 1;", 2, "no setting `rol`"),
      ("-- name: a\n-- long: maybe\nSELECT 1;", 2, "yes or no"),
      ("-- name: a\n-- long: yes\n-- long: no\nSELECT 1;", 3, "second"),
      ("-- name: a\n-- repeatable: no\nSELECT 1;", 1, "only reads"),
      ("-- name: a\n;", 1, "empty"),
      ("-- name: a\n-- name: b\nSELECT 1;", 1, "empty"),
      ("-- name: a\nSELECT 1;\nSELECT 2;", 3, "second statement"),
      ("-- name: a\nSELECT $1, $3;", 1, "$2 never occurs"),
      ("-- name: a\nSELECT $0;", 1, "begin at $1"),
      ("-- name: a\n-- include: nowhere\n--> nowhere\nSELECT 1;", 3, "no fragment `nowhere`"),
      ("-- name: a\nSELECT 1\n--> known\n;", 3, "without `-- include: known`"),
      ("-- name: a\n-- include: known\nSELECT 1;", 1, "no line `--> known`"),
      ("-- name: a\nSELECT 'x;", 2, "never closed"),
    ] as [(String, Int, String)])
  func mistakes(text: String, line: Int, words: String) throws {
    let catalog = catalog(queries: [("a.sql", text)], fragments: [("known.sql", "WHERE true")])
    #expect(catalog.problems.count == 1, "\(catalog.problems)")
    let problem = try #require(catalog.problems.first)
    #expect(problem.line == line, "\(problem)")
    #expect(problem.message.contains(words), "\(problem)")
    #expect(problem.description.hasPrefix("a.sql:\(line): error: "))
  }

  @Test("names are unique over files, and two names never make one Swift name")
  func duplicates() {
    let twice = catalog(queries: [("a.sql", "-- name: a_1\nSELECT 1;"), ("b.sql", "-- name: a_1\nSELECT 1;")])
    #expect(
      twice.problems.map(\.description) == [
        "b.sql:1: error: the name `a_1` is used at a.sql:1 too; give one of them another"
      ])
    let alike = catalog(queries: [("a.sql", "-- name: a1_1\nSELECT 1;\n-- name: a11\nSELECT 1;")])
    #expect(alike.problems.count == 1)
  }

  @Test(
    "each mistake in a fragment",
    arguments: [
      ("SELECT 1;", "semicolon"), ("-- none", "empty"), ("SELECT 1\n--> matching", "cannot include"),
      ("'", "never closed"),
    ])
  func fragmentMistakes(text: String, words: String) {
    let catalog = catalog(fragments: [("matching.sql", text)])
    #expect(catalog.problems.count == 1)
    #expect(catalog.problems.first?.message.contains(words) == true, "\(catalog.problems)")
  }

  @Test("migrations come out split, with their marks")
  func migrations() throws {
    let catalog = catalog(migrations: [
      ("0002_more.sql", "-- breaking: yes\n-- transaction: no\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);"),
      (
        "0001_first.sql",
        "-- breaking: no\n-- Words.\nCREATE TABLE t (a text DEFAULT ';');\n-- between\nDO $$ BEGIN; END $$;"
      ),
    ])
    #expect(catalog.problems == [])
    #expect(catalog.migrations.map(\.number) == [1, 2])
    #expect(catalog.migrations.map(\.isBreaking) == [false, true])
    #expect(catalog.migrations.map(\.isTransactional) == [true, false])
    #expect(catalog.migrations[0].statements == ["CREATE TABLE t (a text DEFAULT ';')", "DO $$ BEGIN; END $$"])
  }

  @Test(
    "each mistake in a migration",
    arguments: [
      ("1_a.sql", "-- breaking: no\nSELECT 1;", 1, "0001_tenancy.sql"),
      ("0001-a.sql", "-- breaking: no\nSELECT 1;", 1, "0001_tenancy.sql"),
      ("0001_A.sql", "-- breaking: no\nSELECT 1;", 1, "snake case"),
      ("0002_a.sql", "-- breaking: no\nSELECT 1;", 1, "leaves a gap"),
      ("0000_a.sql", "-- breaking: no\nSELECT 1;", 1, "next migration is number 1"),
      ("0001_a.sql", "SELECT 1;", 1, "breaking: no"),
      ("0001_a.sql", "-- breaking: maybe\nSELECT 1;", 1, "yes or no"),
      ("0001_a.sql", "-- breaking: no\n-- breaking: yes\nSELECT 1;", 2, "second"),
      ("0001_a.sql", "-- breaking: no\n", 1, "no statement"),
      ("0001_a.sql", "-- breaking: no\nSELECT 1;\n;", 3, "empty statement"),
      ("0001_a.sql", "-- breaking: no\nSELECT 1;\nCOMMIT;", 3, "`COMMIT` in a migration"),
      ("0001_a.sql", "-- breaking: no\nSELECT $1;", 2, "parameter $1"),
      ("0001_a.sql", "-- breaking: no\n\\i other.sql", 2, "psql"),
    ] as [(String, String, Int, String)])
  func migrationMistakes(name: String, text: String, line: Int, words: String) throws {
    let problem = try #require(catalog(migrations: [(name, text)]).problems.first)
    #expect(problem.line == line, "\(problem)")
    #expect(problem.message.contains(words), "\(problem)")
  }

  @Test("two migrations of one number, and a gap between two")
  func migrationNumbers() {
    let text = "-- breaking: no\nSELECT 1;"
    let twins = catalog(migrations: [("0001_a.sql", text), ("0001_b.sql", text)])
    #expect(twins.problems.first?.message.contains("that of 0001_a.sql too; give this one 2") == true)
    let gap = catalog(migrations: [("0001_a.sql", text), ("0003_b.sql", text)])
    #expect(gap.problems.first?.message.contains("leaves a gap; the next migration is number 2") == true)
  }

  @Test("a file that is not UTF-8 is told")
  func notUTF8() {
    let catalog = SQLCatalog(
      migrations: [], queries: [SQLFile(name: "a.sql", path: "a.sql", bytes: [0x2d, 0x0a, 0xff])], fragments: [])
    #expect(catalog.problems.map(\.description) == ["a.sql:2: error: the file is not UTF-8; save it as UTF-8"])
  }

  @Test("the Swift that is written holds any text unchanged")
  func rendering() {
    let text = ##"-- name: default"## + "\n" + ##"SELECT '"""#', E'\n', '\#(x)';"##
    let rendered = SwiftRenderer(catalog(queries: [("a.sql", text)])).statements()
    #expect(rendered.contains("static let `default` = NamedStatement("))
    #expect(rendered.contains("##\"\"\"\nSELECT '\"\"\"#', E'\\n', '\\#(x)'\n\"\"\"##"))
    #expect(rendered.contains("all: [NamedStatement] = [\n    `default`,"))
  }

  @Test("a text that is no part of the product is held unchanged, under the name of its file")
  func texts() {
    let file = SQLFile(name: "by_key.sql", path: "by_key.sql", bytes: Array("-- a\nSELECT '\\#';\n".utf8))
    let rendered = SwiftRenderer.texts(of: [file], as: "Texts")
    #expect(rendered.contains("enum Texts {\n  static let byKey = ##\"\"\"\n-- a\nSELECT '\\#';\n\n\"\"\"##\n}"))
  }
}
