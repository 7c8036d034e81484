import ConnectionRegistry
import HTTPTypes
import Hummingbird
import Logging

/// Departures of browsers that must be known when they come back.
struct ConnectRoutes: Sendable {
  let registry: ConnectionRegistry

  func add<Context: RequestContext>(to router: some RouterMethods<Context>) {
    router.get("connect/{tenant}/{attempt}") { request, context in
      guard !CallbackRoutes.isSpeculative(request) else {
        return Response(status: .serviceUnavailable, headers: CallbackPage.headers)
      }
      do {
        switch try await registry.callbacks.depart(
          tenant: context.parameters.require("tenant"), attempt: context.parameters.require("attempt"))
        {
        case .redirect(let target, let name, let value, let seconds):
          var headers = CallbackPage.headers
          headers[.location] = target
          // Lax, so that the browser shows it when Terra's page sends it back.
          headers[.setCookie] = "\(name)=\(value); Path=/; Max-Age=\(seconds); Secure; HttpOnly; SameSite=Lax"
          return Response(status: .seeOther, headers: headers)
        case .unknown: return CallbackPage.unknown.response(.notFound)
        }
      } catch let error as RegistryError where error.code.httpStatus >= 500 {
        context.logger.warning("Departure not answered", metadata: ["code": "\(error.code)", "error": "\(error)"])
        return CallbackPage.tryAgain.response(.serviceUnavailable)
      }
    }
  }
}
