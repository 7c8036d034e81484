import ConnectionRegistry
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// Answers in the registry's JSON.
enum JSONAnswer {
  /// One page of a list; at its end `next_cursor` is null, and not left out.
  struct PageBody<Item: Encodable>: Encodable {
    var items: [Item]
    var nextCursor: String?

    private enum CodingKeys: CodingKey {
      case items, nextCursor
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(items, forKey: .items)
      try container.encode(nextCursor, forKey: .nextCursor)
    }
  }

  /// Encodes a value as the body of an answer that no cache keeps.
  static func response(
    _ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
  ) throws -> Response {
    var headers = headers
    headers[.contentType] = "application/json"
    headers[.cacheControl] = "no-store"
    let body = try RegistryJSON.encoder().encode(value)
    return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: body)))
  }
}
