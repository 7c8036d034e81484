import RegistryModel
import RegistryTerra
import TestRandom
import Testing

@Suite struct EventSnifferTests {
  private static func sniff(_ body: some Collection<UInt8>) -> SniffedEvent {
    var sniffer = EventSniffer()
    sniffer.feed(body)
    return sniffer.finish()
  }

  private static func sniff(_ body: String) -> SniffedEvent { sniff(Array(body.utf8)) }

  static let documents: [String] = [
    #"{"type":"activity","status":"success","user":{"user_id":"u1","provider":"X"},"#
      + #""data":[{"type":"no","user":{"user_id":"no"}}]}"#,
    #"{"data":[[{"user_id":"no"}],"}{][\\\"","type"],"#
      + #""user":{"nested":{"user_id":"no"},"user_id":"u2","z":[1,{"a":2}]},"type":"sleep"}"#,
    #" { "type" : "b\u00f6dy\ud83d\ude00" , "us\u0065r" : { "user\u005fid" : "a\"b\\c\/d" } , "status" : null } "#,
    #"{"type":"user_reauth","old_user":{"user_id":"old"},"new_user":{"user_id":"new"},"status":"warning"}"#,
    #"{"user":{"user_id":"first"},"type":"a","type":"daily","user":{"user_id":"second"}}"#,
    #"{"user":{"user_id":"gone"},"user":null,"type":"daily","status":"x","status":7}"#,
    #"{"user":["user_id","no"],"type":{"type":"no"},"status":["no"]}"#,
    #"{"type":"x","value":"type","status":"ok","key":"user","user_id":"no"}"#,
    #"{"a":{"type":"no","status":"no","user":{"user_id":"no"}},"type":"body"}"#,
    #"{"user":{"user_id":{"user_id":"no"},"x":"user_id"},"type":"body"}"#,
    #"{"user":{"user_id":"u","user_id":7},"type":"body"}"#,
    #"["type","activity"]"#, #"{}"#, #""type""#, "7", "", " ", "{", #"{"type":"act"#, #"{"type":"a"}{"type":"b"}"#,
    #"{"type":"\ud83d","status":"s"}"#, #"{"type":"\x","status":"s"}"#, "]}", #"{"type":"a"}]"#,
  ]

  @Test func findsWhatTheDocumentSays() {
    let first = Self.sniff(Self.documents[0])
    #expect(first.type == "activity")
    #expect(first.status == "success")
    #expect(first.userID == "u1")
    #expect(first.kind == .data)
    #expect(first.isComplete)
    #expect(Self.sniff(Self.documents[1]).userID == "u2")
    #expect(Self.sniff(Self.documents[1]).type == "sleep")
    let escaped = Self.sniff(Self.documents[2])
    #expect(escaped.type == "bödy😀")
    #expect(escaped.userID == "a\"b\\c/d")
    let again = Self.sniff(Self.documents[3])
    #expect(again.userID == "new")
    #expect(again.kind == .userReauth)
    #expect(Self.sniff(Self.documents[4]).type == "daily")
    #expect(Self.sniff(Self.documents[4]).userID == "second")
    #expect(Self.sniff(Self.documents[5]).userID == nil)
    #expect(Self.sniff(Self.documents[5]).status == nil)
    #expect(!Self.sniff(Self.documents[5]).hasUser)
    #expect(Self.sniff(Self.documents[6]).type == nil)
    #expect(Self.sniff(Self.documents[7]).userID == nil)
    #expect(Self.sniff(Self.documents[8]).type == "body")
    #expect(Self.sniff(Self.documents[8]).userID == nil)
    #expect(Self.sniff(Self.documents[9]).userID == nil)
    #expect(Self.sniff(Self.documents[10]).userID == nil)
    for incomplete in Self.documents[11...].filter({ $0 != "{}" && !$0.hasSuffix(#""s"}"#) }) {
      #expect(!Self.sniff(incomplete).isComplete, "\(incomplete)")
    }
    #expect(Self.sniff(#"{"type":"\ud83d","status":"s"}"#).type == nil)
    #expect(Self.sniff(#"{"type":"\ud83d","status":"s"}"#).kind == nil)
  }

  @Test func agreesWithTheWholeParser() throws {
    for body in try Fixture.all().map(\.body) + Self.documents.map({ Array($0.utf8) }) {
      guard let event = try? TerraEvent.decode(body) else { continue }
      let sniffed = Self.sniff(body)
      #expect(sniffed.type == event.type)
      #expect(sniffed.kind == event.kind)
      #expect(sniffed.userID == event.connection?.userID)
      #expect(sniffed.isComplete)
    }
  }

  @Test func everySplitIntoTwoGivesTheSameAnswer() throws {
    for body in try Fixture.all().map(\.body) + Self.documents.map({ Array($0.utf8) }) {
      let whole = Self.sniff(body)
      for split in 0...body.count {
        var sniffer = EventSniffer()
        sniffer.feed(body[..<split])
        sniffer.feed(body[split...])
        #expect(sniffer.finish() == whole)
      }
    }
  }

  @Test func randomChunksGiveTheSameAnswer() {
    var random = SeededGenerator(seed: TestSeed.take())
    for document in Self.documents {
      let body = Array(document.utf8)
      let whole = Self.sniff(body)
      for _ in 0..<50 {
        var sniffer = EventSniffer()
        var rest = body[...]
        while !rest.isEmpty {
          let count = Int.random(in: 1...min(rest.count, 9), using: &random)
          // A lazy sequence has no contiguous storage: the other way in.
          if Bool.random(using: &random) {
            sniffer.feed(rest.prefix(count))
          } else {
            sniffer.feed(rest.prefix(count).lazy.map { $0 })
          }
          rest = rest.dropFirst(count)
        }
        #expect(sniffer.finish() == whole, "\(document), seed \(random.seed)")
      }
    }
  }

  /// Random documents of the members that count, in random order and nesting, against the whole parser.
  @Test func agreesWithTheWholeParserOnRandomDocuments() throws {
    var random = SeededGenerator(seed: TestSeed.take())
    let names = ["type", "status", "user", "new_user", "data", "user_id", "other"]
    func value(_ depth: Int) -> String {
      switch Int.random(in: 0..<(depth > 3 ? 4 : 7), using: &random) {
      case 0: return #""\#(["auth", "success", "u1", "a\\u0022b", "}{", "daily"].randomElement(using: &random) ?? "")""#
      case 1: return "null"
      case 2: return "-1.5e3"
      case 3: return #""\\""#
      case 4:
        return "[" + (0..<Int.random(in: 0...3, using: &random)).map { _ in value(depth + 1) }.joined(separator: " , ")
          + "]"
      default: return object(depth + 1)
      }
    }
    func object(_ depth: Int) -> String {
      let members = (0..<Int.random(in: 0...5, using: &random)).map { _ in
        #""\#(names.randomElement(using: &random) ?? "")" : \#(value(depth))"#
      }
      return "{" + members.joined(separator: ",") + "}"
    }
    for _ in 0..<4_000 {
      let text = object(0)
      let document = try JSONParser.parse(text.utf8)
      let sniffed = Self.sniff(text)
      func userID(_ name: String) -> String? {
        guard case .object? = document[name] else { return nil }
        return document[name]?["user_id"]?.text
      }
      #expect(sniffed.type == document["type"]?.text, "\(text), seed \(random.seed)")
      #expect(sniffed.status == document["status"]?.text, "\(text), seed \(random.seed)")
      #expect(sniffed.userID == userID("user") ?? userID("new_user"), "\(text), seed \(random.seed)")
      #expect(sniffed.hasData == (document["data"] != nil), "\(text), seed \(random.seed)")
      #expect(sniffed.isComplete)
    }
  }

  @Test func stringsBeyondTheBoundAreNotReadable() {
    let limit = EventSniffer.maximumStringBytes
    #expect(Self.sniff(#"{"type":"\#(String(repeating: "x", count: limit))"}"#).type?.utf8.count == limit)
    let long = String(repeating: "x", count: limit + 1)
    let event = Self.sniff(#"{"\#(long)":1,"type":"\#(long)","user":{"\#(long)":2,"user_id":"u"},"status":"s"}"#)
    #expect(event.type == nil)
    #expect(event.userID == "u")
    #expect(event.status == "s")
    #expect(event.isComplete)
  }

  @Test func survivesDeepNestingAndNoise() {
    let deep = String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)
    #expect(Self.sniff(#"{"data":\#(deep),"type":"daily"}"#).type == "daily")
    #expect(Self.sniff(String(repeating: "}", count: 1_000)).type == nil)
    var random = SeededGenerator(seed: TestSeed.take())
    for _ in 0..<300 {
      let noise = (0..<200).map { _ in Array(#"{}[]":,\ tu"#.utf8).randomElement(using: &random) ?? 0 }
      _ = Self.sniff(noise)
    }
  }

  @Test func findsTheConnectionBehindTwentyMegabytes() {
    var sniffer = EventSniffer()
    sniffer.feed(#"{"data":["#.utf8)
    let samples = String(repeating: "0123456789", count: 6_500)
    let element = Array(
      #"{"type":"no","note":"\"user\":{ \\","user":{"user_id":"no"},"samples":"\#(samples)"},"#.utf8)
    let chunk = Array(repeatElement(element, count: 16).joined())
    for _ in 0..<20 { sniffer.feed(chunk) }
    sniffer.feed(#"null],"user":{"user_id":"u"},"status":"success","type":"activity"}"#.utf8)
    let event = sniffer.finish()
    #expect(chunk.count * 20 > 20_000_000)
    #expect(event.type == "activity")
    #expect(event.userID == "u")
    #expect(event.isComplete)
  }

  @Test func aDataWebhookGivesOneFactAMinute() {
    let instant = Instant(microseconds: 1_767_225_659_000_000)
    let fact = Self.sniff(Self.documents[0]).dataFact(at: instant)
    #expect(fact == ConnectionFact(userID: "u1", evidence: .data, at: instant, factID: "x"))
    for body in [
      #"{"type":"auth","status":"success","user":{"user_id":"u"}}"#, #"{"type":"daily","user":{}}"#,
      #"{"type":"rate_limit_hit","user":{"user_id":"u"}}"#, #"{"type":"daily","user":{"user_id":"u"}"#,
      #"{"type":"daily","user":{"user_id":"a\u0000"}}"#, #"{"type":"daily","user":{"user_id":""}}"#,
    ] {
      #expect(Self.sniff(body).dataFact(at: instant) == nil, "\(body)")
    }
  }
}
