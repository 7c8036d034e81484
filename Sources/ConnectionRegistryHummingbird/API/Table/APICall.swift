import ConnectionRegistry
import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import Logging

/// A request to an operation, after everything that its declaration says was checked.
struct APICall: Sendable {
  /// Who asks, and for which tenant.
  let grant: APIKeyGrant
  /// The request itself, for what no declaration covers, such as a body that streams.
  let request: Request
  /// The parameters of the query.
  let query: QueryParameters
  /// The decoded segments of the path by their parameters.
  let path: [String: String]
  /// The body, which fits its schema; empty where the operation takes none.
  let body: Data
  /// The request's id, as it stands in the answer.
  let requestID: String
  let logger: Logger

  /// The tenant's slug.
  var tenant: String { grant.tenant }

  /// A segment of the path, decoded.
  ///
  /// - Parameter name: The parameter's name in the template.
  /// - Returns: The text.
  /// - Throws: ``Problem`` `not_found` where the template has no such parameter.
  func path(_ name: String) throws -> String {
    guard let text = path[name] else { throw Problem(.notFound, "There is nothing at this path.") }
    return text
  }

  /// A segment of the path that is an id.
  ///
  /// - Parameter name: The parameter's name in the template; its schema is ``APISchema/uuid``.
  /// - Returns: The id.
  /// - Throws: ``Problem`` `not_found`.
  func id(_ name: String) throws -> UUID {
    guard let id = UUID(uuidString: try path(name)) else {
      throw Problem(.notFound, "There is nothing at this path.")
    }
    return id
  }

  /// The body as a value; its shape was checked before.
  ///
  /// - Parameter type: What to read.
  /// - Returns: The value.
  /// - Throws: ``Problem`` that names the field where the value cannot be read after all.
  func body<Body: StrictBody>(_ type: Body.Type) throws -> Body {
    try JSONBody.decode(type, from: body)
  }

  /// Who acts, for the audit.
  var actor: String { "key:\(grant.keyID.text)" }

  /// Whether the request is to be done only while something is as the caller read it.
  var hasPrecondition: Bool { request.headers[.ifMatch] != nil }

  /// Whether an object is as the caller read it, by `If-Match`.
  ///
  /// - Parameter value: The object as it would be answered now.
  /// - Returns: Whether one of the tags names it.
  func isExpected(_ value: some Encodable) -> Bool {
    guard let list = request.headers[.ifMatch] else { return true }
    guard let body = try? RegistryJSON.encoder().encode(value) else { return false }
    return EntityTag.matches(EntityTag.of(body), list, weakly: false)
  }

  /// What the request names itself, so that a repetition is known: the name holds for the API key that it came with, so
  /// that two callers who count alike do not get each other's answers.
  var idempotencyKey: String? {
    request.headers[.idempotencyKey].map { name in
      SHA256.hash(data: Data("\(grant.keyID.text) \(name)".utf8)).map { byte in
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }.joined()
    }
  }
}
