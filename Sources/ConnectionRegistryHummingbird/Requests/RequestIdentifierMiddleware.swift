import HTTPTypes
import Hummingbird
import Logging

/// Takes the caller's `X-Request-Id`, or Hummingbird's own id, for the logs and for the answer.
///
/// Using it twice on one request changes nothing.
struct RequestIdentifierMiddleware<Context: RequestContext>: RouterMiddleware {
  func handle(
    _ request: Request, context: Context, next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    var context = context
    if let given = request.headers[.requestID], Self.isAcceptable(given) {
      context.logger[metadataKey: "hb.request.id"] = .string(given)
    }
    var response = try await next(request, context)
    response.headers[.requestID] = context.id
    return response
  }

  /// Only ids that can stand in a log line and a header as they are.
  private static func isAcceptable(_ id: String) -> Bool {
    (1...128).contains(id.utf8.count)
      && id.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
          || "._~:+/=-".utf8.contains(byte)
      }
  }
}
