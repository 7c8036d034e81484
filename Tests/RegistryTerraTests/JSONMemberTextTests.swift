@testable import RegistryTerra
import TestRandom
import Testing

@Suite struct JSONMemberTextTests {
  private static func exchanged(_ json: String, _ texts: [String: String]) throws -> String {
    String(decoding: try JSONMemberText(Array(json.utf8)).replacing(texts), as: UTF8.self)
  }

  @Test(arguments: [
    (#"{"a":"x"}"#, #"{"a":"NEW"}"#),
    (#"{ "b" : [1,{"a":"}"}], "a" : "x" }"#, #"{ "b" : [1,{"a":"}"}], "a" : "NEW" }"#),
    (#"{"a":null,"c":-1.5e+3}"#, #"{"a":"NEW","c":-1.5e+3}"#), (#"{"\u0061":"x\"y"}"#, #"{"\u0061":"NEW"}"#),
    (#"{"a":{"a":"deep"},"z":true}"#, #"{"a":"NEW","z":true}"#), (#"{"b":"a"}"#, #"{"b":"a"}"#), ("{}", "{}"),
    ("", ""), (" \n", " \n"), ("\t{\r\n\"a\":\"x\"\n}\n", "\t{\r\n\"a\":\"NEW\"\n}\n"),
    (#"{"a":1,"a":[2]}"#, #"{"a":"NEW","a":"NEW"}"#), (#"{"a":12}"#, #"{"a":"NEW"}"#),
    (#"{"x":"\\","a":"\\\""}"#, #"{"x":"\\","a":"NEW"}"#),
  ])
  func onlyTheValueOfTheMemberIsExchanged(_ json: String, _ expected: String) throws {
    #expect(try Self.exchanged(json, ["a": "NEW"]) == expected)
  }

  @Test func aNewValueIsEscaped() throws {
    #expect(try Self.exchanged(#"{"a":1}"#, ["a": "\"\\\n"]) == #"{"a":"\"\\\u000a"}"#)
  }

  @Test func repeatedNamesAreAllThere() throws {
    let text = try JSONMemberText(Array(#"{"a":"1","\u0061":"2","b":3}"#.utf8))
    #expect(text.values(of: "a") == [.string("1"), .string("2")])
    #expect(text.members.map(\.name) == ["a", "a", "b"])
  }

  @Test(arguments: ["[]", "1", "\"a\"", "{", "{\"a\":}", "{\"a\":1,}", "{\"a\":1} x", "a=b&c=d", "{\"\\ud800\":1}"])
  func whatIsNotOneObjectIsRefused(_ json: String) {
    #expect(throws: JSONSyntaxError.self) { try JSONMemberText(Array(json.utf8)) }
  }

  /// Whatever sound object comes, no exchange changes a byte outside of the value.
  @Test func randomObjectsKeepTheirOtherBytes() throws {
    let seed = UInt64.random(in: .min ... .max)
    var generator = SeededGenerator(seed: seed)
    func value(_ depth: Int) -> String {
      let space = ["", " ", "\n\t"].randomElement(using: &generator) ?? ""
      switch Int.random(in: 0...(depth > 3 ? 3 : 5), using: &generator) {
      case 0:
        return space + "\"\(["", "a", "\\\"", "\\\\", "}", "\\u00e9,]"].randomElement(using: &generator) ?? "")\""
          + space
      case 1: return space + (["0", "-1.25", "1e9"].randomElement(using: &generator) ?? "0") + space
      case 2: return space + (["true", "false", "null"].randomElement(using: &generator) ?? "null") + space
      case 3: return space + "[]" + space
      case 4: return "[" + (0..<3).map { _ in value(depth + 1) }.joined(separator: ",") + "]"
      default: return "{" + (0..<2).map { "\"m\($0)\":" + value(depth + 1) }.joined(separator: ",") + "}"
      }
    }
    for _ in 0..<500 {
      let (before, after) = (value(0), value(0))
      let json = "{\"x\":\(before),\"a\":\"old\",\"y\":\(after)}"
      let expected = "{\"x\":\(before),\"a\":\"NEW\",\"y\":\(after)}"
      #expect(try Self.exchanged(json, ["a": "NEW"]) == expected, "seed \(seed)")
    }
  }
}
