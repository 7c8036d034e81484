import HTTPTypes
import Hummingbird
import Logging

/// The id of the request that a task answers.
///
/// Hummingbird keeps it in the logger's metadata only, and a log handler need not keep metadata: `RequestContext.id`
/// then traps.
enum RequestIdentity {
  /// The id; empty outside of ``RequestIdentifierMiddleware``.
  @TaskLocal static var current = ""

  /// A new id, or that of the task where it has one.
  static var currentOrNew: String { current.isEmpty ? String(UInt64.random(in: .min ... .max), radix: 16) : current }
}

/// Takes the caller's `X-Request-Id`, or Hummingbird's own id, for the logs and for the answer.
///
/// Using it twice on one request changes nothing.
struct RequestIdentifierMiddleware<Context: RequestContext>: RouterMiddleware {
  func handle(
    _ request: Request, context: Context, next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    var context = context
    let known = context.logger[metadataKey: Self.metadataKey]?.description ?? RequestIdentity.currentOrNew
    let id = request.headers[.requestID].flatMap { Self.isAcceptable($0) ? $0 : nil } ?? known
    context.logger[metadataKey: Self.metadataKey] = .string(id)
    return try await RequestIdentity.$current.withValue(id) {
      var response = try await next(request, context)
      response.headers[.requestID] = id
      return response
    }
  }

  private static var metadataKey: String { "hb.request.id" }

  /// Only ids that can stand in a log line and a header as they are.
  private static func isAcceptable(_ id: String) -> Bool {
    (1...128).contains(id.utf8.count)
      && id.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
          || "._~:+/=-".utf8.contains(byte)
      }
  }
}
