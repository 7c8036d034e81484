import HTTPTypes
import Hummingbird
import NIOCore

/// An error as Terra answers it. Each family of endpoints has a body of its own.
struct TerraProblem: HTTPResponseError {
  /// The families of error bodies.
  enum Style: Sendable {
    /// `{"status":"error","message":…}`.
    case legacy
    /// RFC 9457, `application/problem+json`.
    case problem
    /// A page of HTML, as a proxy in front of the API writes it.
    case html
  }

  let status: HTTPResponse.Status
  let message: String
  var style: Style
  var members: [JSONValue.Member] = []

  func response(from request: Request, context: some RequestContext) throws -> Response {
    switch self.style {
    case .legacy:
      return Response.json(
        .object([.init("status", "error"), .init("message", .string(self.message))] + self.members),
        status: self.status)
    case .problem:
      let value: JSONValue = [
        "type": "about:blank", "title": .string(self.status.reasonPhrase.lowercased()),
        "instance": .string(request.uri.string), "detail": .string(self.message),
      ]
      return Response.json(value, status: self.status, contentType: "application/problem+json")
    case .html:
      return Response.html(
        "<!doctype html><html><head><title>\(self.status.code)</title></head><body><h1>\(self.message)</h1></body></html>",
        status: self.status)
    }
  }
}

extension Response {
  static func json(
    _ value: JSONValue, status: HTTPResponse.Status = .ok, contentType: String = "application/json"
  ) -> Response {
    Response(
      status: status, headers: [.contentType: contentType], body: .init(byteBuffer: ByteBuffer(bytes: value.bytes)))
  }

  static func html(_ text: String, status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status, headers: [.contentType: "text/html; charset=utf-8", .cacheControl: "no-store"],
      body: .init(byteBuffer: ByteBuffer(string: text)))
  }
}
