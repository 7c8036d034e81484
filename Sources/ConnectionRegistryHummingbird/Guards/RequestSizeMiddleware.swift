import HTTPTypes
import Hummingbird

/// How large a request's URL and headers may be.
enum RequestSize {
  /// The longest path with its query, in bytes.
  static let maximumTargetBytes = 8 * 1024
  /// The most that all headers may have, in bytes.
  static let maximumHeaderBytes = 16 * 1024

  /// Refuses a request whose URL or headers are larger than any honest one's.
  ///
  /// - Parameter request: The request.
  /// - Throws: ``Problem`` `uri_too_long`, `headers_too_large`.
  static func check(_ request: Request) throws(Problem) {
    guard (request.head.path ?? "").utf8.count <= maximumTargetBytes else {
      throw Problem(.uriTooLong, "A path with its query may have \(maximumTargetBytes) bytes.")
    }
    let headers = request.headers.reduce(0) { $0 + $1.name.rawName.utf8.count + $1.value.utf8.count + 4 }
    guard headers <= maximumHeaderBytes else {
      throw Problem(.headersTooLarge, "The headers may have \(maximumHeaderBytes) bytes together.")
    }
  }
}

/// Refuses requests whose URL or headers are too large.
struct RequestSizeMiddleware<Context: RequestContext>: RouterMiddleware {
  func handle(
    _ request: Request, context: Context, next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    try RequestSize.check(request)
    return try await next(request, context)
  }
}
