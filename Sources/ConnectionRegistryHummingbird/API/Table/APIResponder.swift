import ConnectionRegistry
import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// Answers the requests to one operation: holds each against the declaration, and hands it to the handler.
struct APIResponder: Sendable {
  let operation: APIOperation
  let registry: ConnectionRegistry
  let settings: APISettings
  let rateLimit: RateLimit

  /// How long the handler may take.
  private var timeLimit: Duration { operation.timeLimit ?? settings.timeLimit }

  /// Answers one request.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - context: Its context.
  /// - Returns: The handler's answer.
  /// - Throws: ``Problem`` for a request that does not fit the declaration, and what the handler throws.
  func respond(to request: Request, context: some RequestContext) async throws -> Response {
    let late = Problem(.timedOut, "This took longer than it may: try again.", retryAfter: 5)
    let call = try await TimeLimit.run(settings.timeLimit, orThrow: late) { try await checked(request, context) }
    let reply = try await TimeLimit.run(timeLimit, orThrow: late) {
      guard operation.idempotency == .kept, let key = call.idempotencyKey else {
        return try await operation.handler(call)
      }
      return try await once(call, key)
    }
    return response(reply, to: request)
  }

  /// Who asks for what, checked.
  private func checked(_ request: Request, _ context: some RequestContext) async throws -> APICall {
    let grant = try await APIAccess.grant(for: request, registry: registry)
    try rateLimit.count(grant.keyID)
    try grant.require(operation.scope)
    let path = try segments(context)
    let query = try QueryParameters(request, parameters: operation.parameters.filter { $0.place == .query })
    try checkHeaders(request)
    var body = Data()
    if let schema = operation.body {
      body = try await TimeLimit.run(
        settings.bodyTimeLimit, orThrow: Problem(.bodyTimedOut, "The body did not arrive in time.")
      ) {
        switch operation.bodyForm {
        case .json: try await JSONBody.read(schema, from: request, isOptional: operation.bodyIsOptional)
        case .lines(let maximumBytes): try await LineBody.read(from: request, maximumBytes: maximumBytes)
        }
      }
    }
    return APICall(
      grant: grant, request: request, query: query, path: path, body: body, requestID: RequestIdentity.current,
      logger: context.logger)
  }

  /// Does what the request asks for unless it was done before under its key.
  private func once(_ call: APICall, _ key: String) async throws -> APIReply {
    let requests = registry.idempotentRequests
    let name = IdempotentRequests.Name(tenant: call.tenant, operation: operation.id, key: key)
    var hash = SHA256()
    hash.update(data: Data("\(call.request.head.path ?? "")\n".utf8))
    hash.update(data: call.body)
    let claim = try await requests.claim(
      name, requestSHA256: Array(hash.finalize()), lease: timeLimit + .seconds(5))
    guard case .first(let claimID) = claim else {
      guard case .answered(let answer) = claim else { throw Problem(.idempotencyInProgress, "Try again.") }
      return APIReply(
        status: HTTPResponse.Status(code: answer.status), location: answer.location,
        body: answer.body.isEmpty ? .none : .json(Data(answer.body)))
    }
    let reply: APIReply
    do {
      reply = try await operation.handler(call)
    } catch {
      // Whoever was refused may correct the request and send it again at once. What broke off may have been done, so
      // its name stays taken until the lease ends.
      if Self.isRefusal(error) { _ = await Task { try await requests.release(name, claimID) }.result }
      throw error
    }
    var body: [UInt8] = []
    if case .json(let data) = reply.body { body = Array(data) }
    let answer = IdempotentRequests.Answer(status: reply.status.code, location: reply.location, body: body)
    do {
      // In a task of its own: what was done must be known, also where the caller has gone.
      try await Task { try await requests.keep(answer, of: name, claimID) }.value
    } catch {
      // It is done: its caller gets the answer, and a repetition waits for the end of the lease.
      call.logger.warning(
        "an answer could not be kept for a repetition", metadata: ["operation": "\(operation.id)", "error": "\(error)"])
    }
    return reply
  }

  /// Whether an error says that nothing was done.
  private static func isRefusal(_ error: any Error) -> Bool {
    switch error {
    case let problem as Problem: (400..<500).contains(problem.status)
    case let error as RegistryError:
      (400..<500).contains(error.code.httpStatus)
        || [.terraCredentialsRefused, .terraEndpointRetired, .terraRateLimited].contains(error.code)
    default: false
    }
  }

  /// The reply as it is sent: without its body where the caller has it already.
  private func response(_ reply: APIReply, to request: Request) -> Response {
    var response = reply.response
    guard operation.hasEntityTag, case .json(let body) = reply.body else { return response }
    let tag = reply.entityTag ?? EntityTag.of(body)
    response.headers[.eTag] = tag
    guard operation.method == .get, let known = request.headers[.ifNoneMatch],
      EntityTag.matches(tag, known, weakly: true)
    else { return response }
    return Response(status: .notModified, headers: [.eTag: tag, .cacheControl: "no-store"])
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
