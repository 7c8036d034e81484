import ConnectionRegistry
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// The change feed as server-sent events (HTML, section 9.2).
///
/// An event is written when the one before it has left for the client, so a slow client makes the feed wait, and nothing
/// gathers here.
struct ChangeEvents: Sendable {
  /// How often a comment is sent while nothing happens, so that a dead connection is noticed on both sides.
  static let heartbeat: Duration = .seconds(15)
  /// When a stream ends, so that a key that was revoked does not serve for ever.
  static let lifetime: Duration = .seconds(900)

  let stream: ChangeStream
  let request: Request

  /// Whether a client asks for events rather than for a document.
  ///
  /// They are where they are named, not with a weight of zero, and no less than JSON (RFC 9110, section 12.5.1).
  static func areWanted(by request: Request) -> Bool {
    var weights: [String: Double] = [:]
    for range in request.headers[values: .accept].flatMap({ $0.split(separator: ",") }) {
      let parts = range.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
      guard let type = parts.first else { continue }
      let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
      weights[type] = max(weights[type] ?? 0, weight)
    }
    let events = weights["text/event-stream"] ?? 0
    return events > 0 && events >= weights["application/json"] ?? 0
  }

  /// The answer that streams.
  var response: Response {
    Response(
      status: .ok, headers: [.contentType: "text/event-stream", .cacheControl: "no-store", .connection: "close"],
      body: ResponseBody { writer in
        let output = Output(writer: writer)
        try await Departure.watching(request) { try await write(to: output) }
        try await output.finish()
      })
  }

  private func write(to output: Output) async throws {
    var stream = stream
    let end = ContinuousClock.now + Self.lifetime
    try await output.write(": the registry's change feed\nretry: 2000\n\n")
    while !Task.isCancelled, ContinuousClock.now < end {
      let page: ChangePage
      do {
        page = try await stream.next(within: Self.heartbeat)
      } catch is RegistryError {
        // The client comes again where it was, and is told by its next request.
        return
      }
      for change in page.items {
        let data = String(decoding: try RegistryJSON.encoder().encode(change), as: UTF8.self)
        try await output.write("id: \(change.cursor)\nevent: change\ndata: \(data)\n\n")
      }
      guard !stream.isOver else { return }
      if page.items.isEmpty { try await output.write(": still here\n\n") }
    }
  }

  /// The writer, handed to one task at a time.
  private final class Output: @unchecked Sendable {
    private var writer: any ResponseBodyWriter

    init(writer: any ResponseBodyWriter) { self.writer = writer }

    func write(_ text: String) async throws { try await writer.write(ByteBuffer(string: text)) }

    func finish() async throws { try await writer.finish(nil) }
  }
}
