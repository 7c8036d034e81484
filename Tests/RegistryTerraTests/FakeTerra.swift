import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import RegistryTerra

/// One request as a server got it.
struct ReceivedRequest: Sendable {
  var method: String
  var path: String
  var query: String?
  var headers: [String: String]
  var body: String
}

/// What a server answers.
struct Answer: Sendable {
  var status: HTTPResponse.Status
  var headers: [String: String]
  var body: String

  static func json(_ body: String, status: HTTPResponse.Status = .ok) -> Answer {
    Answer(status: status, headers: ["content-type": "application/json"], body: body)
  }
}

/// A server on loopback that gives one answer to everything and remembers what it was asked.
enum FakeTerra {
  static let key = "secret-api-key"

  /// - Parameters:
  ///   - answer: the answer to a request.
  ///   - maximumReplyBytes: the largest answer that the client reads.
  ///   - body: calls the client, whose base is the server's.
  /// - Returns: what the server was asked, in order.
  /// - Throws: what `body` throws.
  @discardableResult
  static func answering(
    _ answer: @escaping @Sendable (ReceivedRequest) -> Answer, maximumReplyBytes: Int = 64 << 20,
    _ body: @escaping @Sendable (TerraClient) async throws -> Void
  ) async throws -> [ReceivedRequest] {
    let received = NIOLockedValueBox<[ReceivedRequest]>([])
    let responder = CallbackResponder { (request: Request, _: BasicRequestContext) in
      let buffer = try await request.body.collect(upTo: 1 << 20)
      let seen = ReceivedRequest(
        method: request.method.rawValue, path: request.uri.path, query: request.uri.query,
        headers: Dictionary(
          request.headers.map { ($0.name.canonicalName, $0.value) }, uniquingKeysWith: { "\($0)|\($1)" }),
        body: String(buffer: buffer))
      received.withLockedValue { $0.append(seen) }
      let answer = answer(seen)
      var headers = HTTPFields()
      for (name, value) in answer.headers {
        if let name = HTTPField.Name(name) { headers[name] = value }
      }
      return Response(
        status: answer.status, headers: headers, body: .init(byteBuffer: ByteBuffer(string: answer.body)))
    }
    try await Application(responder: responder).test(.live) { client in
      let port = client.port ?? 0
      try await body(TerraClient(configuration: configuration(port: port, maximumReplyBytes: maximumReplyBytes)))
    }
    return received.withLockedValue { $0 }
  }

  static func configuration(
    port: Int, deadline: Duration = .seconds(20), maximumReplyBytes: Int = 64 << 20
  ) -> TerraClient.Configuration {
    TerraClient.Configuration(
      developerID: "testing-dev-id", apiKey: key, apiBaseURL: "http://127.0.0.1:\(port)/v2/",
      widgetSessionURL: "http://127.0.0.1:\(port)/api/widget/session", deadline: deadline,
      maximumReplyBytes: maximumReplyBytes)
  }

  /// A server that writes `bytes` to whoever asks, and then closes or stays silent.
  static func misbehaving(
    writing bytes: String, closes: Bool, _ body: (Int) async throws -> Void
  ) async throws {
    let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(MisbehavingHandler(bytes: bytes, closes: closes))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    do {
      try await body(server.localAddress?.port ?? 0)
      try await server.close()
    } catch {
      try await server.close()
      throw error
    }
  }

  /// A port of loopback on which nobody listens.
  static func closedPort() async throws -> Int {
    let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: 0).get()
    let port = server.localAddress?.port ?? 0
    try await server.close()
    return port
  }
}

private final class MisbehavingHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer
  private let bytes: String
  private let closes: Bool

  init(bytes: String, closes: Bool) {
    self.bytes = bytes
    self.closes = closes
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: bytes)), promise: nil)
    if closes { context.close(promise: nil) }
  }
}
