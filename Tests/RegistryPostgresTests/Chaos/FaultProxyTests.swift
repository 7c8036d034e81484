import Testing

/// The proxy's own parts: what it takes for a message, and what it lets out.
struct FaultProxyTests {
  private static let start: [UInt8] = [0, 0, 0, 8, 0, 3, 0, 0]
  private static let query: [UInt8] = [UInt8(ascii: "Q"), 0, 0, 0, 6, 65, 0]
  private static let flush: [UInt8] = [UInt8(ascii: "H"), 0, 0, 0, 4]

  @Test(arguments: 1...20)
  func findsMessagesHoweverTheyArrive(size: Int) {
    var stream = ProxyStream(fromClient: true)
    let bytes = Self.start + Self.query + Self.flush
    for start in stride(from: 0, to: bytes.count, by: size) {
      stream.receive(Array(bytes[start..<min(start + size, bytes.count)]))
    }
    #expect(stream.messages.map(\.type) == [0, UInt8(ascii: "Q"), UInt8(ascii: "H")])
    #expect(stream.messages.map(\.end) == [8, 15, 20])
    #expect(stream.allowance == 20)
  }

  @Test func letsNothingOutBeyondItsLimit() {
    var stream = ProxyStream(fromClient: true)
    stream.limit = .messages(2)
    stream.receive(Self.start)
    #expect(stream.allowance == 8 && !stream.isAtLimit)
    stream.pass(8)
    stream.receive(Self.query + Self.flush)
    #expect(stream.allowance == 7)
    stream.pass(7)
    #expect(stream.isAtLimit && stream.allowance == 0 && stream.passedMessages == 2)
    stream.limit = .bytes(16)
    #expect(stream.allowance == 1)
  }

  @Test func joinsMessagesAndHoldsTheLastByteBack() {
    var stream = ProxyStream(fromClient: true)
    stream.flow = .joined
    stream.receive(Self.start + Array(Self.query.dropLast()))
    #expect(stream.allowance == 7, "only the first message is whole")
    stream.receive([0])
    #expect(stream.allowance == 14)
    stream.pass(14)
    #expect(stream.allowance == 1 && stream.waitsForReader)
    stream.pass(1)
    #expect(stream.allowance == 0)
  }
}
