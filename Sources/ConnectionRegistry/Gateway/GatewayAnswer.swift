import Foundation
import RegistryTerra

/// What a client of Terra's is answered.
public struct GatewayAnswer: Sendable, Hashable {
  /// The status.
  public let status: Int
  /// The type of the body.
  public let contentType: String?
  /// The header `Retry-After`.
  public let retryAfter: String?
  /// The body.
  public let body: [UInt8]

  init(_ reply: TerraForwardedReply) {
    status = reply.status
    contentType = reply.contentType
    retryAfter = reply.retryAfter
    body = reply.body
  }

  /// An error of the registry's own, in a form that clients of both of Terra's generations read: the older one's `status`
  /// and `message` beside RFC 9457's `type`, `title`, `instance` and `detail`.
  ///
  /// - Parameters:
  ///   - error: what went wrong.
  ///   - status: the status, where it is not the error's own.
  ///   - requestID: the request's id, which `instance` names; a new one where nothing is said.
  public init(_ error: RegistryError, status: Int? = nil, requestID: String? = nil) {
    self.init(
      status: status ?? error.code.httpStatus, code: error.code.description, message: error.description,
      retryAfter: error.retryAfter, requestID: requestID)
  }

  /// An error that is no ``RegistryError``, in the same form.
  ///
  /// - Parameters:
  ///   - status: the status.
  ///   - code: its stable code.
  ///   - message: what went wrong, as a sentence without secrets.
  ///   - retryAfter: when trying again makes sense.
  ///   - requestID: the request's id, which `instance` names; a new one where nothing is said.
  package init(
    status: Int, code: String, message: String, retryAfter: Duration? = nil, requestID: String? = nil
  ) {
    self.status = status
    contentType = "application/json"
    self.retryAfter = retryAfter.map { String(Int($0.inSeconds.rounded(.up))) }
    let document: JSONValue = .object([
      "status": .string("error"), "message": .string(message), "code": .string(code),
      "type": .string("urn:connection-registry:problem:\(code)"),
      "title": .string(code.replacing("_", with: " ")), "detail": .string(message),
      // Terra's own is the path, which here may hold what the caller would rather not find in his log.
      "instance": .string("urn:connection-registry:request:\(requestID ?? UUID().text)"),
    ])
    body = document.bytes
  }
}
