import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import registry

@Suite struct OutputTests {
  @Test func alignsWhatIsWide() {
    let rows = [["name", "count"], ["日本", "7"], ["abcdef", "10"]]
    let layout = TableLayout(rows: rows, alignments: [.leading, .trailing])
    #expect(rows.map { layout.line($0) } == ["name    count", "日本        7", "abcdef     10"])
  }

  /// Stored text comes from outside: on a terminal it may not move the cursor or turn the writing around.
  @Test func showsControlCharactersInsteadOfObeyingThem() {
    #expect(StandardOutput.printable("a\u{1b}[2Jb\nc\u{202e}d") == "a\\u{1b}[2Jb\\u{a}c\\u{202e}d")
    #expect(StandardOutput.printable("日本 é") == "日本 é")
  }

  @Test func quotesWhatMustBeQuoted() {
    #expect(CSV.line(["a", "b,c", "say \"x\"", "l\nf", ""]) == "a,\"b,c\",\"say \"\"x\"\"\",\"l\nf\",\r\n")
  }

  @Test(arguments: [(0.4, "0s"), (59, "59s"), (60, "1m"), (3_725, "1h 2m"), (90_000, "1d 1h"), (-3, "0s")])
  func saysAges(seconds: Double, text: String) {
    #expect(Column.age(seconds: seconds) == text)
  }

  @Test(arguments: [("5s", 5.0), ("10m", 600), ("1.5h", 5_400), ("90d", 7_776_000), ("250ms", 0.25)])
  func readsTimes(text: String, seconds: Double) throws {
    let argument = try #require(DurationArgument(argument: text))
    #expect(argument.duration / .seconds(1) == seconds)
  }

  @Test(arguments: ["", "5", "s", "-5s", "0s", "5 s", "5y", "1e3s", "99999999999d", "nan", "infs"])
  func refusesWhatIsNoTime(text: String) {
    #expect(DurationArgument(argument: text) == nil)
  }

  @Test func findsMembersOfMembers() {
    let value = JSONValue.object([
      "subject": .object(["id": .string("x")]), "list": .array([.integer(1), .bool(true)]),
    ])
    #expect(value[path: "subject.id"].cell == "x")
    #expect(value[path: "subject.nothing"].cell == "")
    #expect(value[path: "list"].cell == "1, yes")
  }

  /// CSV of one thing drops nothing, whether it is one line or one for each value.
  @Test func carriesEveryMemberInCSV() throws {
    let value = JSONValue.object([
      "name": .string("a,b"),
      "run": .object([
        "outcome": .string("complete"), "remarks": .array([.string("one"), .string("two")]),
        "span": .object(["from": .integer(1)]),
      ]),
      "funnel": .array([.object(["resource": .string("FITBIT"), "sessions": .integer(2)]), .object([:])]),
      "none": .array([]),
    ])
    let output = KeptOutput()
    try DetailPrinter(output, .csv).print(value)
    try DetailPrinter(output, .csv).print(value, inSections: "report")
    #expect(
      output.text.split(separator: "\r\n") == [
        "funnel,name,none,run.outcome,run.remarks,run.span.from",
        #""[{""resource"":""FITBIT"",""sessions"":2},{}]","a,b",,complete,"one, two",1"#,
        "section,item,key,value", #"report,,name,"a,b""#, "funnel,1,resource,FITBIT", "funnel,1,sessions,2",
        "run,,outcome,complete", "run,1,remarks,one", "run,2,remarks,two", "run.span,,from,1",
      ])
  }
}

/// What was written.
private final class KeptOutput: TextOutput {
  let isColoured = false
  private let kept = NIOLockedValueBox("")

  var text: String { kept.withLockedValue { $0 } }

  func write(_ text: String) throws(OutputError) {
    kept.withLockedValue { $0 += text }
  }
}
