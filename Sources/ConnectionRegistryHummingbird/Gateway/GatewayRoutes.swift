import ConnectionRegistry
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// `/terra/…`: Terra's API of authentication, for Terra's own clients with another base URL.
struct GatewayRoutes: Sendable {
  let registry: ConnectionRegistry
  /// One for this and `/v1`: a key has one rate, wherever it asks.
  let rateLimit: RateLimit
  /// How long finding out who asks may take, and then answering; Terra's own deadline is shorter.
  let timeLimit: Duration

  private static let methods: [HTTPRequest.Method] = [.get, .head, .post, .put, .patch, .delete, .options]

  /// The paths below `/terra`: those of operations, what leads to them, and the rest, which matches neither of these.
  static let paths: [String] = {
    var paths: Set = ["/**"]
    for operation in GatewayOperation.allCases {
      let segments = operation.path.split(separator: "/")
      for count in 1...segments.count { paths.insert("/" + segments.prefix(count).joined(separator: "/")) }
    }
    return paths.sorted()
  }()

  func add<Context: RequestContext>(to router: some RouterMethods<Context>) {
    // Each operation has a route of its own for logs and metrics; what is asked for is told from the raw path.
    for path in Self.paths {
      for method in Self.methods {
        router.on(RouterPath("terra\(path)"), method: method) { request, context in
          try await answer(request, context, route: path)
        }
      }
    }
  }

  private func answer(
    _ request: Request, _ context: some RequestContext, route: String
  ) async throws -> Response {
    do {
      try RequestSize.check(request)
      let late = Problem(.timedOut, "This took longer than it may: try again.", retryAfter: 5)
      let (path, query) = Self.parts(request, prefix: Self.prefix(of: context.endpointPath, route: route))
      let admission = try await TimeLimit.run(timeLimit, orThrow: late) {
        try await registry.gateway.admit(
          method: request.method.rawValue, path: path, apiKeys: request.headers[values: .xAPIKey],
          devIDs: request.headers[values: .devID])
      }
      try rateLimit.count(admission.keyID)
      let body = try await Self.body(request)
      let answer = try await TimeLimit.run(timeLimit, orThrow: late) {
        try await registry.gateway.answer(
          admission, rawQuery: query, contentType: request.headers[.contentType], accept: request.headers[.accept],
          body: body)
      }
      return Self.response(answer)
    } catch let error as RegistryError {
      if error.code.httpStatus >= 500 {
        context.logger.warning("Call not passed on", metadata: ["code": "\(error.code)", "error": "\(error)"])
      }
      return Self.response(GatewayAnswer(error, requestID: RequestIdentity.currentOrNew))
    } catch let problem as Problem {
      return Self.response(GatewayAnswer(problem))
    } catch let error as UnfinishedBody {
      if case .departed(let cause) = error {
        context.logger.debug("The client went in the middle of its body", metadata: ["error": "\(cause)"])
      }
      return Self.response(GatewayAnswer(Problem(error)))
    } catch let error as CancellationError {
      throw error
    } catch {
      context.logger.error("Call failed unexpectedly", metadata: ["error": "\(error)"])
      let error = RegistryError(.internalFailure, "the registry failed; its log says why")
      return Self.response(GatewayAnswer(error, requestID: RequestIdentity.currentOrNew))
    }
  }

  /// How many segments whoever embeds these routes has put before `/terra`.
  private static func prefix(of endpoint: String?, route: String) -> Int {
    let count = { (path: String) in path.split(separator: "/").count }
    return max(0, count(endpoint ?? "") - count("terra\(route)"))
  }

  /// The path behind `/terra` and the query, both exactly as they came.
  private static func parts(_ request: Request, prefix: Int) -> (path: String, query: String) {
    let raw = request.head.path ?? ""
    let mark = raw.firstIndex(of: "?")
    var path = raw[..<(mark ?? raw.endIndex)].drop { $0 == "/" }
    for _ in 0...prefix { path = path.drop { $0 != "/" }.drop { $0 == "/" } }
    return ("/" + path, mark.map { String(raw[raw.index(after: $0)...]) } ?? "")
  }

  private static func body(_ request: Request) async throws -> [UInt8] {
    do {
      return Array(try await ArrivingBody(request).collect(upTo: Gateway.maximumBodyBytes).readableBytesView)
    } catch is NIOTooManyBytesError {
      throw Problem(.contentTooLarge, "The body may have \(Gateway.maximumBodyBytes) bytes.")
    }
  }

  private static func response(_ answer: GatewayAnswer) -> Response {
    var headers: HTTPFields = [.cacheControl: "no-store"]
    headers[.contentType] = answer.contentType
    headers[.retryAfter] = answer.retryAfter
    return Response(
      status: .init(code: answer.status), headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: answer.body)))
  }
}

extension GatewayAnswer {
  /// A problem of `/v1`'s, in the form that clients of Terra's read.
  init(_ problem: Problem) {
    self.init(
      status: problem.status, code: problem.code, message: problem.detail,
      retryAfter: problem.retryAfter.map { .seconds($0) }, requestID: RequestIdentity.currentOrNew)
  }
}
