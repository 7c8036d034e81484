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
  static func areWanted(by request: Request) -> Bool {
    request.headers[values: .accept].contains { value in
      value.split(separator: ",").contains {
        $0.split(separator: ";").first?.trimmingCharacters(in: .whitespaces).lowercased() == "text/event-stream"
      }
    }
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
