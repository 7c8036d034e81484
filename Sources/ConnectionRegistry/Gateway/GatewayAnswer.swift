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
  /// and `message` beside RFC 9457's `title` and `detail`.
  ///
  /// - Parameters:
  ///   - error: what went wrong.
  ///   - status: the status, where it is not the error's own.
  public init(_ error: RegistryError, status: Int? = nil) {
    self.status = status ?? error.code.httpStatus
    contentType = "application/json"
    retryAfter = error.retryAfter.map { String(Int($0.inSeconds.rounded(.up))) }
    let document: JSONValue = .object([
      "status": .string("error"), "message": .string(error.description), "code": .string(error.code.description),
      "type": .string("urn:connection-registry:problem:\(error.code.description)"),
      "title": .string(error.code.description.replacing("_", with: " ")), "detail": .string(error.description),
    ])
    body = document.bytes
  }
}
