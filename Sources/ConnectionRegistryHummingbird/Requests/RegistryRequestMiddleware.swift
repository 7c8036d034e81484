import HTTPTypes
public import Hummingbird
public import Logging
import Metrics
import Synchronization

/// Logs and measures every request by its route's pattern, gives it an id, and turns errors into problem documents.
///
/// A request's line holds the method, the pattern of the route (`/callbacks/terra/{tenant}/{attempt}/success`), the
/// status and the milliseconds it took; never the path itself, which may hold an attempt token or a `reference_id`,
/// nor a header or the query.
///
/// The metric is a timer, `http.server.request.duration`, with the dimensions `http.route`, `http.request.method` and
/// `http.response.status_code`; all three are bounded, because a path that no route matches counts as `NotFound` and
/// a method out of the ordinary as `_OTHER`.
public struct RegistryRequestMiddleware<Context: RequestContext>: RouterMiddleware {
  private let level: Logger.Level
  private let timers = RequestTimers()
  private let identifier = RequestIdentifierMiddleware<Context>()
  private let problems = ProblemMiddleware<Context>()

  /// Makes the middleware.
  ///
  /// - Parameter level: The level of the line per request; answers of 500 and more are logged at `error`, unless this
  ///   is higher.
  public init(logging level: Logger.Level = .info) {
    self.level = level
  }

  /// Answers one request.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - context: Its context.
  ///   - next: What stands behind this middleware.
  /// - Returns: The answer of `next`, or the problem document of the error it threw.
  /// - Throws: `CancellationError` when the task was cancelled.
  public func handle(
    _ request: Request, context: Context, next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    let clock = ContinuousClock()
    let start = clock.now
    return try await identifier.handle(request, context: context) { request, context in
      let response = try await problems.handle(request, context: context) { request, context in
        // Where there is no route, nothing else looks.
        if context.endpointPath == nil { try RequestSize.check(request) }
        return try await next(request, context)
      }
      let route = context.endpointPath ?? "NotFound"
      let method = RequestTimers.known.contains(request.method) ? request.method.rawValue : "_OTHER"
      let duration = start.duration(to: clock.now)
      timers.timer(route: route, method: method, status: response.status.code).record(duration: duration)
      context.logger.log(
        level: response.status.code >= 500 ? max(level, .error) : level, "Request answered",
        metadata: [
          "route": .string(route), "method": .string(method), "status": .stringConvertible(response.status.code),
          "milliseconds": .stringConvertible(Int(duration / .milliseconds(1))),
        ])
      return response
    }
  }
}

/// The timers in use, by their dimensions; making one anew for each request would cost a look-up in the backend.
private final class RequestTimers: Sendable {
  static let known: Set<HTTPRequest.Method> = [.get, .head, .post, .put, .patch, .delete, .options]

  private struct Key: Hashable {
    var route: String
    var method: String
    var status: Int
  }

  private let timers = Mutex<[Key: Timer]>([:])

  func timer(route: String, method: String, status: Int) -> Timer {
    timers.withLock { timers in
      let key = Key(route: route, method: method, status: status)
      if let timer = timers[key] { return timer }
      let timer = Timer(
        label: "http.server.request.duration",
        dimensions: [
          ("http.route", route), ("http.request.method", method), ("http.response.status_code", String(status)),
        ])
      timers[key] = timer
      return timer
    }
  }
}
