import ConnectionRegistry
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// What an operation's handler answers with.
struct APIReply: Sendable {
  /// What stands behind the headers.
  enum Body: Sendable {
    case none
    case json(Data)
    /// Anything else, such as a stream; with its own headers.
    case response(Response)
  }

  var status: HTTPResponse.Status
  /// The path of what was made, for `Location`.
  var location: String?
  var body: Body
  /// What names the content where it is not the body itself, because something in it changes by the second.
  var entityTag: String?

  /// An object.
  ///
  /// - Parameters:
  ///   - value: What to encode.
  ///   - status: The answer's status.
  ///   - location: The path of what was made.
  ///   - still: The same without what changes by the second, for the entity tag.
  /// - Returns: The reply.
  /// - Throws: What keeps the value from being encoded.
  static func json(
    _ value: some Encodable, status: HTTPResponse.Status = .ok, location: String? = nil,
    still: (any Encodable)? = nil
  ) throws -> APIReply {
    APIReply(
      status: status, location: location, body: .json(try RegistryJSON.encoder().encode(value)),
      entityTag: try still.map { EntityTag.of(try RegistryJSON.encoder().encode($0)) })
  }

  /// A page of a list; at its end `next_cursor` is null, and not left out.
  static func page<Item: Encodable>(_ page: Listed<Item>) throws -> APIReply {
    try .json(JSONAnswer.PageBody(items: page.items, nextCursor: page.nextCursor))
  }

  /// Nothing to say but that it is done.
  static let noContent = APIReply(status: .noContent, body: .none)

  /// An answer of any kind.
  static func response(_ response: Response) -> APIReply {
    APIReply(status: response.status, body: .response(response))
  }

  /// The reply as it is sent; no cache keeps it.
  var response: Response {
    if case .response(let response) = body { return response }
    var headers: HTTPFields = [.cacheControl: "no-store"]
    if let location { headers[.location] = location }
    guard case .json(let data) = body else { return Response(status: status, headers: headers) }
    headers[.contentType] = "application/json"
    return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: data)))
  }
}
