import HTTPTypes
import Hummingbird
import NIOCore

/// Leaves a handler with an answer that a test has asked for.
struct ScriptedReply: HTTPResponseError {
  let answer: ScriptedAnswer

  var status: HTTPResponse.Status { .init(code: self.answer.status) }

  func response(from request: Request, context: some RequestContext) throws -> Response {
    var headers: HTTPFields = [.contentType: self.answer.contentType]
    for (name, value) in self.answer.headers {
      if let name = HTTPField.Name(name) { headers[name] = value }
    }
    return Response(
      status: self.status, headers: headers, body: .init(byteBuffer: ByteBuffer(string: self.answer.body)))
  }
}
