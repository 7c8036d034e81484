import ConnectionRegistry
import HTTPTypes
import Hummingbird
import Logging

/// Turns every error of a route into a problem document.
struct ProblemMiddleware<Context: RequestContext>: RouterMiddleware {
  func handle(
    _ request: Request, context: Context, next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    do {
      return try await next(request, context)
    } catch let problem as Problem {
      return problem.response(requestID: context.id)
    } catch let error as RegistryError {
      let problem = Problem(error)
      if problem.status >= 500 {
        context.logger.warning("Request failed", metadata: ["code": "\(error.code)", "error": "\(error)"])
      }
      return problem.response(requestID: context.id)
    } catch let error as any HTTPResponseError {
      return Problem(error.status).response(requestID: context.id)
    } catch let error as CancellationError {
      throw error
    } catch {
      context.logger.error("Request failed unexpectedly", metadata: ["error": "\(error)"])
      return Problem(.internalServerError).response(requestID: context.id)
    }
  }
}

extension Problem {
  /// The problem of an error that only has a status.
  init(_ status: HTTPResponse.Status) {
    switch status.code {
    case 404: self.init(status, "not_found", "There is nothing at this path for this method.")
    case 413: self.init(status, "content_too_large", "The body is larger than this route takes.")
    case 500...:
      self.init(status, "internal", "The registry could not do this; its log says why, under this request id.")
    default: self.init(status, "invalid_request", "The request cannot be read.")
    }
  }

  /// The problem of an error of the registry's.
  init(_ error: RegistryError) {
    let status = HTTPResponse.Status(code: error.code.httpStatus)
    self.init(
      status, error.code.description, Self.sentence(error.message), field: error.field,
      retryAfter: status.code == 503 ? 5 : nil)
  }

  private static func sentence(_ message: String) -> String {
    message.prefix(1).uppercased() + message.dropFirst() + (message.hasSuffix(".") ? "" : ".")
  }
}
