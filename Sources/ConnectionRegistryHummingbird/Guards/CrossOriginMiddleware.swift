import HTTPTypes
import Hummingbird

/// Lets pages of chosen origins read answers (CORS); without origins it changes nothing.
///
/// Cookies are never let in: an API key travels in `Authorization`, which the page sets itself.
struct CrossOriginMiddleware<Context: RequestContext>: RouterMiddleware {
  /// The origins as browsers send them: `https://console.acme.io`.
  let origins: Set<String>

  func handle(
    _ request: Request, context: Context, next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    guard !origins.isEmpty else { return try await next(request, context) }
    let origin = request.headers[.origin].flatMap { origins.contains($0) ? $0 : nil }
    var response: Response
    if let origin, request.method == .options, request.headers[.accessControlRequestMethod] != nil {
      response = Response(
        status: .noContent,
        headers: [
          .accessControlAllowMethods: "GET, HEAD, POST, PATCH, PUT, DELETE",
          .accessControlAllowHeaders:
            "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id",
          .accessControlMaxAge: "600", .accessControlAllowOrigin: origin,
        ])
    } else {
      response = try await next(request, context)
      if let origin {
        response.headers[.accessControlAllowOrigin] = origin
        response.headers[.accessControlExposeHeaders] = "ETag, Location, Retry-After, X-Request-Id"
      }
    }
    // Also where this origin is not let in: a cache must not answer another with it.
    response.headers[values: .vary].append("Origin")
    return response
  }
}
