import ConnectionRegistry
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// Answers the requests to one operation: holds each against the declaration, and hands it to the handler.
struct APIResponder: Sendable {
  let operation: APIOperation
  let registry: ConnectionRegistry

  /// Answers one request.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - context: Its context.
  /// - Returns: The handler's answer.
  /// - Throws: ``Problem`` for a request that does not fit the declaration, and what the handler throws.
  func respond(to request: Request, context: some RequestContext) async throws -> Response {
    let grant = try await APIAccess.grant(for: request, scope: operation.scope, registry: registry)
    let path = try segments(context)
    let query = try QueryParameters(request, parameters: operation.parameters.filter { $0.place == .query })
    try checkHeaders(request)
    var body = Data()
    if let schema = operation.body {
      body = try await JSONBody.read(schema, from: request, isOptional: operation.bodyIsOptional)
    }
    let call = APICall(
      grant: grant, request: request, query: query, path: path, body: body, requestID: context.id,
      logger: context.logger)
    let reply = try await operation.handler(call)
    return reply.response
  }

  /// The segments of the path, decoded; the router leaves `%2F` and its like as they came.
  private func segments(_ context: some RequestContext) throws -> [String: String] {
    var segments: [String: String] = [:]
    for parameter in operation.parameters where parameter.place == .path {
      guard let text = PercentCoding.decode(try context.parameters.require(parameter.name)), !text.utf8.contains(0)
      else {
        throw Problem(
          .invalidRequest, "The segment must be percent-encoded UTF-8 without NUL.", field: parameter.name)
      }
      do {
        try parameter.schema.check(parameter.schema.value(ofText: text))
      } catch {
        throw Problem(.notFound, "This tenant has nothing at this path.")
      }
      segments[parameter.name] = text
    }
    return segments
  }

  private func checkHeaders(_ request: Request) throws {
    for parameter in operation.allParameters where parameter.place == .header {
      guard let name = HTTPField.Name(parameter.name) else { continue }
      let values = request.headers[values: name]
      guard values.count <= 1 else {
        throw Problem(.invalidRequest, "Send one \(parameter.name) at most.", field: parameter.name)
      }
      guard let value = values.first else { continue }
      do {
        try parameter.schema.check(parameter.schema.value(ofText: value))
      } catch {
        throw Problem(.invalidRequest, error.sentence, field: parameter.name)
      }
    }
  }
}
