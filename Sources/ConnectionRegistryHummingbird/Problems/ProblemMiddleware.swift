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
    case 404: self.init(.notFound, "There is nothing at this path for this method.")
    case 413: self.init(.contentTooLarge, "The body is larger than this route takes.")
    case 500...: self.init(.internalFailure, "The registry could not do this; its log says why, under this request id.")
    default:
      self.init(
        status: status.code, code: ProblemCode.invalidRequest.code, detail: "The request cannot be read.", field: nil,
        retryAfter: nil)
    }
  }

  /// The problem of an error of the registry's.
  init(_ error: RegistryError) {
    self.init(
      status: error.code.httpStatus, code: error.code.description, detail: Self.sentence(error.message),
      field: error.field,
      retryAfter: error.retryAfter.map { Int($0.components.seconds) } ?? (error.code.httpStatus == 503 ? 5 : nil))
  }

  private static func sentence(_ message: String) -> String {
    message.prefix(1).uppercased() + message.dropFirst() + (message.hasSuffix(".") ? "" : ".")
  }
}
