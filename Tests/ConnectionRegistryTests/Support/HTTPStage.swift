import AsyncHTTPClient
@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

/// A stage whose registry answers over HTTP, on a server and a socket of its own.
struct HTTPStage: Sendable {
  /// An answer with its body.
  struct Answer: Sendable {
    var status: Int
    var headers: HTTPHeaders
    var body: Data

    var text: String { String(decoding: body, as: UTF8.self) }
    /// The stable code of a problem document.
    var code: String? { self["code"] as? String }

    /// A member of a JSON body; a path of names and indices parted by dots.
    subscript(path: String) -> Any? {
      var value = try? JSONSerialization.jsonObject(with: body, options: .fragmentsAllowed)
      for name in path.split(separator: ".") {
        if let index = Int(name), let list = value as? [Any] {
          value = list.indices.contains(index) ? list[index] : nil
        } else {
          value = (value as? [String: Any])?[String(name)]
        }
      }
      return value
    }

    func text(_ path: String) -> String? { self[path] as? String }
    func items() -> [[String: Any]] { self["items"] as? [[String: Any]] ?? [] }
  }

  let stage: Stage
  let port: Int

  // On a busy machine a connection may take its time.
  private static let client = HTTPClient(
    eventLoopGroupProvider: .singleton,
    configuration: .init(redirectConfiguration: .disallow, timeout: .init(connect: .minutes(5))))

  /// Makes an API key.
  func key(_ scopes: APIKeyScope..., tenant: String? = nil, expiresAt: Date? = nil) async throws -> String {
    try await stage.registry.keys.create(
      tenant: tenant ?? stage.slug, name: "tests", scopes: Set(scopes), expiresAt: expiresAt
    ).secret
  }

  /// Sends a request.
  func send(
    _ method: String, _ path: String, key: String? = nil, json: String? = nil,
    contentType: String = "application/json", headers: [(String, String)] = []
  ) async throws -> Answer {
    var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
    request.method = HTTPMethod(rawValue: method)
    if let key { request.headers.add(name: "Authorization", value: "Bearer \(key)") }
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    if let json {
      request.headers.add(name: "Content-Type", value: contentType)
      request.body = .bytes(ByteBuffer(string: json))
    }
    let response = try await Self.client.execute(request, timeout: .minutes(5))
    let body = try await response.body.collect(upTo: 8 << 20)
    return Answer(
      status: Int(response.status.code), headers: response.headers, body: Data(body.readableBytesView))
  }

  /// All pages of a list.
  func items(_ path: String, key: String) async throws -> [[String: Any]] {
    var (items, cursor): ([[String: Any]], String?) = ([], nil)
    repeat {
      let mark = path.contains("?") ? "&" : "?"
      let page = try await send("GET", path + (cursor.map { "\(mark)cursor=\($0)" } ?? ""), key: key)
      try #require(page.status == 200, "\(page.text)")
      items += page.items()
      cursor = page.text("next_cursor")
    } while cursor != nil
    return items
  }

  /// Sends pieces of bytes, the next one when the last is written, and reads until the server closes the connection.
  func sendRaw(_ pieces: some AsyncSequence<String, any Error> & Sendable) async throws -> String {
    let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }
      }
    return try await channel.executeThenClose { inbound, outbound in
      let writing = Task {
        for try await piece in pieces { try await outbound.write(ByteBuffer(string: piece)) }
      }
      defer { writing.cancel() }
      var received = ByteBuffer()
      do {
        for try await piece in inbound { received.writeImmutableBuffer(piece) }
      } catch is IOError {
        // Closed while something was still on the way to the server.
      }
      return String(buffer: received)
    }
  }

  /// Sends bytes as given, and reads until the server closes the connection.
  func sendRaw(_ text: String) async throws -> String {
    try await sendRaw(
      AsyncThrowingStream { continuation in
        continuation.yield(text)
        continuation.finish()
      })
  }
}

/// Runs a stage whose registry answers over HTTP for as long as a closure runs.
///
/// - Parameters:
///   - settings: How the stage is set up.
///   - api: What `/v1` allows.
///   - arrival: How slowly bodies may arrive.
///   - idleTimeout: After how long without a whole request a connection is closed.
///   - body: Uses it.
/// - Throws: What keeps the stage from being set up, and what the body throws.
func withHTTP(
  _ settings: StageSettings = StageSettings(), api: APISettings = APISettings(),
  arrival: BodyArrivalLimits = BodyArrivalLimits(), idleTimeout: TimeAmount = .seconds(60),
  _ body: @escaping @Sendable (HTTPStage) async throws -> Void
) async throws {
  try await withStage(settings) { stage in
    let router = Router()
    router.addMiddleware { RegistryRequestMiddleware() }
    router.addRegistryRoutes(stage.registry, api: api)
    let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
    var logger = Logger(label: "http")
    logger.logLevel = .error
    let application = Application(
      router: router,
      server: .http1(
        configuration: .init(
          additionalChannelHandlers: [BodyArrivalHandler(limits: arrival)], idleTimeout: idleTimeout)),
      configuration: .init(address: .hostname("127.0.0.1", port: 0)),
      onServerRunning: { channel in
        continuation.yield(channel.localAddress?.port ?? 0)
        continuation.finish()
      }, logger: logger)
    let run = Task { try await application.run() }
    let outcome: Result<Void, any Error>
    do {
      var ports = ports.makeAsyncIterator()
      let port = try #require(await ports.next())
      try await body(HTTPStage(stage: stage, port: port))
      outcome = .success(())
    } catch {
      outcome = .failure(error)
    }
    run.cancel()
    _ = await run.result
    try outcome.get()
  }
}
