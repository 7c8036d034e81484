import ConnectionRegistry
import HTTPTypes
import Hummingbird
import Logging

/// Turns every error of a route into a problem document.
struct ProblemMiddleware<Context: RequestContext>: RouterMiddleware {
  func handle(
    _ request: Request, context: Context, next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    let response = try await answer(request, context, next)
    // A body here would be read as the beginning of the next answer (RFC 9110, section 9.3.2).
    return request.method == .head ? response.createHeadResponse() : response
  }

  private func answer(
    _ request: Request, _ context: Context, _ next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    do {
      return try await next(request, context)
    } catch let problem as Problem {
      return problem.response(requestID: RequestIdentity.current)
    } catch let error as RegistryError {
      let problem = Problem(error)
      if problem.status >= 500 {
        context.logger.warning("Request failed", metadata: ["code": "\(error.code)", "error": "\(error)"])
      }
      return problem.response(requestID: RequestIdentity.current)
    } catch let error as UnfinishedBody {
      if case .departed(let cause) = error {
        context.logger.debug("The client went in the middle of its body", metadata: ["error": "\(cause)"])
      }
      return Problem(error).response(requestID: RequestIdentity.current)
    } catch let error as any HTTPResponseError {
      return Problem(error.status).response(requestID: RequestIdentity.current)
    } catch let error as CancellationError {
      throw error
    } catch {
      context.logger.error("Request failed unexpectedly", metadata: ["error": "\(error)"])
      return Problem(.internalServerError).response(requestID: RequestIdentity.current)
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

  /// The problem of a body that has no end.
  init(_ error: UnfinishedBody) {
    switch error {
    case .tooSlow: self.init(.bodyTimedOut, "The body did not arrive in time.")
    case .departed: self.init(.invalidRequest, "The connection ended in the middle of the body.")
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
