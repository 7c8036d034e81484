@testable import ConnectionRegistryHummingbird
import NIOCore
import NIOEmbedded
import NIOPosix
import TestDatabase
import Testing

/// Clients that ask and do not read what they are answered.
@Suite(.timeLimit(.minutes(20))) struct AnswerOutflowTests {
  /// A connection that holds a little, on a clock of its own.
  private final class Connection {
    let loop = EmbeddedEventLoop()
    let channel: EmbeddedChannel

    init(stall: Duration = .seconds(60)) throws {
      var limits = BodyArrivalLimits()
      limits.stall = stall
      channel = EmbeddedChannel(handler: BodyArrivalHandler(limits: limits), loop: loop)
      try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    func fill(_ isFull: Bool) {
      channel.isWritable = !isFull
      channel.pipeline.fireChannelWritabilityChanged()
    }
  }

  @Test func aConnectionThatNobodyReadsIsClosed() throws {
    let connection = try Connection()
    connection.fill(true)
    connection.loop.advanceTime(by: .seconds(59))
    #expect(connection.channel.isActive)
    connection.loop.advanceTime(by: .seconds(1))
    #expect(!connection.channel.isActive)
  }

  /// As a stream of events to a client that reads it: it fills up and empties again and again.
  @Test func aConnectionThatIsReadNowAndThenStays() throws {
    let connection = try Connection()
    for _ in 0..<100 {
      connection.fill(true)
      connection.loop.advanceTime(by: .seconds(59))
      connection.fill(false)
      connection.loop.advanceTime(by: .seconds(600))
    }
    #expect(connection.channel.isActive)
    connection.fill(true)
    connection.loop.advanceTime(by: .seconds(60))
    #expect(!connection.channel.isActive)
  }

  /// A large answer over a slow line: it is never all out, but always less.
  @Test func aConnectionThatIsReadSlowlyStays() throws {
    let line = SlowLine()
    let connection = try Connection()
    try connection.channel.pipeline.syncOperations.addHandler(line, position: .first)
    line.leave(5_000)
    connection.fill(true)
    for left in [4_000, 3_999, 3_000, 1] {
      connection.loop.advanceTime(by: .seconds(59))
      line.leave(left)
      connection.loop.advanceTime(by: .seconds(1))
      #expect(connection.channel.isActive)
    }
    connection.loop.advanceTime(by: .seconds(60))
    #expect(!connection.channel.isActive)
  }

  @Test(.migratedDatabase) func whoPipelinesAndNeverReadsIsDisconnected() async throws {
    var limits = BodyArrivalLimits()
    limits.stall = .milliseconds(300)
    // Nothing else ends it.
    try await withHTTP(arrival: limits, idleTimeout: .hours(1)) { http in
      let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .channelOption(.autoRead, value: false)
        .connect(host: "127.0.0.1", port: http.port).get()
      let asked = String(repeating: "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", count: 400_000)
      // More than all that lies on the way can hold: it can only end because the server ends it.
      await #expect(throws: (any Error).self) {
        try await channel.writeAndFlush(ByteBuffer(string: asked))
      }
      try? await channel.close()
      #expect(try await http.send("GET", "/healthz").status == 200)
    }
  }
}

/// What lies in a connection and has not gone out.
private final class SlowLine: ChannelInboundHandler {
  typealias InboundIn = Any
  private var context: ChannelHandlerContext?

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func leave(_ bytes: Int) {
    context?.flush()
    context?.write(NIOAny(ByteBuffer(repeating: 0, count: bytes)), promise: nil)
  }
}
