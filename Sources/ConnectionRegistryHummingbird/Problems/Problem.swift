import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// An error as a document that a program can read (RFC 9457, `application/problem+json`).
///
/// `code` is stable and is what programs should compare; `detail` is a sentence for people and may change.
struct Problem: Error, Encodable {
  var type: String
  var title: String
  var status: Int
  var code: String
  var detail: String
  /// The member of the body, the query or the path that was wrong.
  var field: String?
  var requestID: String?
  /// Seconds after which trying again makes sense; becomes `Retry-After`.
  var retryAfter: Int?

  private enum CodingKeys: String, CodingKey {
    case type, title, status, code, detail, field
    case requestID = "request_id"
  }

  init(
    _ status: HTTPResponse.Status, _ code: String, _ detail: String, field: String? = nil, retryAfter: Int? = nil
  ) {
    self.type = "urn:connection-registry:problem:\(code)"
    self.title = Self.titles[status.code] ?? "Error"
    self.status = status.code
    self.code = code
    self.detail = detail
    self.field = field
    self.retryAfter = retryAfter
  }

  /// The statuses' own names (RFC 9110), which a status made from a number does not know.
  private static let titles = [
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict",
    413: "Content Too Large", 415: "Unsupported Media Type", 500: "Internal Server Error", 502: "Bad Gateway",
    503: "Service Unavailable",
  ]

  /// The answer to a request that failed with this problem.
  ///
  /// - Parameter requestID: The request's id, for whoever reports the problem.
  /// - Returns: A response that no cache keeps.
  func response(requestID: String) -> Response {
    var problem = self
    problem.requestID = requestID
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let body = (try? encoder.encode(problem)).map { ByteBuffer(bytes: $0) } ?? ByteBuffer()
    var headers: HTTPFields = [.contentType: "application/problem+json", .cacheControl: "no-store"]
    if let retryAfter { headers[.retryAfter] = String(retryAfter) }
    if status == HTTPResponse.Status.unauthorized.code { headers[.wwwAuthenticate] = "Bearer" }
    return Response(
      status: HTTPResponse.Status(code: status, reasonPhrase: title), headers: headers, body: .init(byteBuffer: body))
  }
}
