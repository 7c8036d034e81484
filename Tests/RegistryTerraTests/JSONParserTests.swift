import Foundation
import RegistryTerra
import TestRandom
import Testing

@Suite struct JSONParserTests {
  private static func parse(_ text: String) throws -> JSONValue { try JSONParser.parse(text.utf8) }

  @Test func readsEveryKindOfValue() throws {
    let value = try Self.parse(#" { "a" : [ 1 , -0.5e+3 , true , false , null , "x" ] , "b" : { } , "c":[] } "#)
    #expect(
      value
        == .object([
          "a": .array([.number("1"), .number("-0.5e+3"), .bool(true), .bool(false), .null, .string("x")]),
          "b": .object([:]), "c": .array([]),
        ]))
  }

  @Test func readsEscapes() throws {
    #expect(try Self.parse(#""\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00""#) == .string("\"\\/\u{8}\u{c}\n\r\tAé😀"))
    #expect(try Self.parse(#""\u0000""#) == .string("\0"))
    for half in [#""\ud83d""#, #""\ude00""#, #""\ud83d\ud83d""#, #""\ud83dx""#, #""\ud83d\n""#, #""\ude00\ud83d""#] {
      #expect(try Self.parse(half) == .unpairedSurrogate)
    }
    #expect(try Self.parse(#"{"a":"\ud83d","b":1}"#)["b"] == .number("1"))
  }

  @Test func theLastOfARepeatedNameCounts() throws {
    #expect(try Self.parse(#"{"a":1,"a":{"b":2},"a":3}"#) == .object(["a": .number("3")]))
  }

  @Test(arguments: [
    "", " ", "{", "[", "\"", "\"\\", "\"\\\"", "tru", "nul", "truex", "1 2", "{}{}", "01", "-", "1.", ".5", "1e",
    "+1", "NaN", "Infinity", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "[1,]", "[,1]", "[1 2]", "{]",
    "[}", "'a'", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\n\"", "\"\0\"", "\u{feff}{}", "/**/1", "]", "\"\\",
  ])
  func refuses(text: String) {
    #expect(throws: JSONSyntaxError.self) { try Self.parse(text) }
  }

  @Test(
    arguments: [
      [0x22, 0xFF, 0x22], [0x22, 0xC3, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xC0, 0x80, 0x22],
      [0xFF], [0x7B, 0x22, 0xF5, 0x22, 0x3A, 0x31, 0x7D],
    ] as [[UInt8]])
  func refusesWhatIsNotUTF8(bytes: [UInt8]) {
    #expect(throws: JSONSyntaxError.self) { try JSONParser.parse(bytes) }
  }

  @Test func depthIsLimitedAndNeverCrashes() throws {
    let limit = JSONParser.maximumDepth
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    #expect(throws: Never.self) { try Self.parse(nested(limit)) }
    for depth in [limit + 1, 100_000] {
      #expect(throws: JSONSyntaxError.self) { try Self.parse(nested(depth)) }
      #expect(throws: JSONSyntaxError.self) { try Self.parse(String(repeating: "{\"a\":", count: depth)) }
    }
  }

  @Test func hugeNumbersStayText() throws {
    let digits = String(repeating: "9", count: 100_000)
    #expect(try Self.parse(digits) == .number(digits))
    #expect(try Self.parse(digits).integer == nil)
    #expect(try Self.parse("1e999999999").integer == nil)
    #expect(try Self.parse("12").integer == 12)
  }

  @Test func writesWhatItReads() throws {
    let value: JSONValue = .object([
      "b": .array([.null, .bool(true), .bool(false), .number("-1.5e3")]), "a": .string("\"\\/\n\0é😀\u{7f}"),
    ])
    #expect(String(decoding: value.bytes, as: UTF8.self).hasPrefix(#"{"a":"\"\\/\u000a\u0000é😀"#))
    #expect(try JSONParser.parse(value.bytes) == value)
  }

  /// Random damage to real documents: no input may crash, and whatever is accepted Foundation reads too.
  @Test func survivesDamageAndAcceptsNothingThatFoundationRefuses() throws {
    var random = SeededGenerator(seed: TestSeed.take())
    let bodies =
      try Fixture.all().map(\.body) + [Array(#"{"a":[1,-2.5e3,true,null,"\u00e9\ud83d\ude00"],"b":{}}"#.utf8)]
    let alphabet = Array(#"{}[]",:\u0123456789eE+-.tfn ud8"#.utf8) + [0, 0x80, 0xC3, 0xFF]
    var accepted = 0
    for _ in 0..<3_000 {
      var body = bodies.randomElement(using: &random) ?? []
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let index = Int.random(in: 0..<body.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: body[index] = alphabet.randomElement(using: &random) ?? 0
        case 1: body.remove(at: index)
        default: body.insert(alphabet.randomElement(using: &random) ?? 0, at: index)
        }
      }
      guard (try? JSONParser.parse(body)) != nil, !Self.holdsUnpairedSurrogate(body) else { continue }
      accepted += 1
      #expect(throws: Never.self, "\(String(decoding: body, as: UTF8.self)), seed \(random.seed)") {
        try JSONSerialization.jsonObject(with: Data(body), options: .fragmentsAllowed)
      }
    }
    #expect(accepted > 100)
  }

  /// Looks at the text and not at the value, in which the last of a repeated name has replaced the others.
  private static func holdsUnpairedSurrogate(_ body: [UInt8]) -> Bool {
    var rest = body[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\"), rest.popFirst() == UInt8(ascii: "u") else { continue }
      switch Self.unit(rest.prefix(4)) {
      case 0xD800...0xDBFF:
        let next = rest.dropFirst(4).prefix(6)
        guard next.starts(with: #"\u"#.utf8), 0xDC00...0xDFFF ~= Self.unit(next.dropFirst(2)) else { return true }
        rest = rest.dropFirst(10)
      case 0xDC00...0xDFFF: return true
      default: rest = rest.dropFirst(4)
      }
    }
    return false
  }

  private static func unit(_ digits: ArraySlice<UInt8>) -> UInt16 {
    UInt16(String(decoding: digits, as: UTF8.self), radix: 16) ?? 0
  }
}
