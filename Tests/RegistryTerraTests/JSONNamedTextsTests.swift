import RegistryTerra
import Testing

@Suite struct JSONNamedTextsTests {
  @Test(
    arguments: [
      (#"{"a":"x","b":{"c":"y"},"d":7}"#, ["a=x", "c=y", "d=7"]),
      (#"{"a":["x","y", 3],"b":"z"}"#, ["a=x", "a=y", "a=3", "b=z"]),
      (#"{"a":"zo\u00eb \"q\"\/","a":"again"}"#, [#"a=zoë "q"/"#, "a=again"]),
      (#"{"a":"\ud83d\ude00","b":"\ud83d"}"#, ["a=😀"]),
      (#"{"a":"whole","b":"cut of"#, ["a=whole"]),
      (#"{"a":null,"b":true,"c":[{"d":"in"}],"e":"x"}"#, ["d=in", "e=x"]),
      (#"["a","b"] {"text":"\"a\":\"no\""}"#, [#"text="a":"no""#]),
      ("", []), (#"{"a""#, []), (#"{"a":"#, []), (#"\"#, []), (#"{"a":"x\"#, []),
    ])
  func membersAreFound(text: String, members: [String]) {
    #expect(JSONNamedTexts.members(in: Array(text.utf8)).map { "\($0.name)=\($0.text)" } == members)
  }
}
