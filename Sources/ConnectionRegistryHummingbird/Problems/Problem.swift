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
  /// Headers that this problem needs beside its own, such as `Allow`.
  var headers: HTTPFields = [:]

  private enum CodingKeys: String, CodingKey {
    case type, title, status, code, detail, field
    case requestID = "request_id"
  }

  /// Describes a problem.
  ///
  /// - Parameters:
  ///   - code: What kind of problem it is.
  ///   - detail: What was wrong and what would be right, as a sentence without secrets.
  ///   - field: The member of the body, the query or the path that was wrong.
  ///   - retryAfter: Seconds after which trying again makes sense.
  ///   - headers: Headers that the answer needs beside the usual ones.
  init(
    _ code: ProblemCode, _ detail: String, field: String? = nil, retryAfter: Int? = nil, headers: HTTPFields = [:]
  ) {
    self.init(
      status: code.status, code: code.code, detail: detail, field: field, retryAfter: retryAfter, headers: headers)
  }

  init(status: Int, code: String, detail: String, field: String?, retryAfter: Int?, headers: HTTPFields = [:]) {
    self.type = "urn:connection-registry:problem:\(code)"
    self.title = Self.titles[status] ?? "Error"
    self.status = status
    self.code = code
    self.detail = detail
    self.field = field
    self.retryAfter = retryAfter
    self.headers = headers
  }

  /// The statuses' own names (RFC 9110), which a status made from a number does not know.
  private static let titles = [
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict", 412: "Precondition Failed", 413: "Content Too Large", 414: "URI Too Long",
    415: "Unsupported Media Type", 422: "Unprocessable Content", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Gateway Timeout",
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
    var headers = self.headers
    headers[.contentType] = "application/problem+json"
    headers[.cacheControl] = "no-store"
    if let retryAfter { headers[.retryAfter] = String(retryAfter) }
    if status == HTTPResponse.Status.unauthorized.code { headers[.wwwAuthenticate] = "Bearer" }
    return Response(
      status: HTTPResponse.Status(code: status, reasonPhrase: title), headers: headers, body: .init(byteBuffer: body))
  }
}
