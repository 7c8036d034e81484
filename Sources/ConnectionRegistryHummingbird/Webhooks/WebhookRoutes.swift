import ConnectionRegistry
import HTTPTypes
import Hummingbird
import NIOCore

/// Terra's webhooks.
struct WebhookRoutes: Sendable {
  let registry: ConnectionRegistry

  func add<Context: RequestContext>(to router: some RouterMethods<Context>) {
    router.post("webhooks/terra/{tenant}") { request, context in
      try await receive(request, tenant: context.parameters.require("tenant"))
    }
  }

  /// Hands the headers, repeated ones included, and the body as it streams in to the registry, which sets the limits.
  private func receive(_ request: Request, tenant: String) async throws -> Response {
    let answer = try await registry.webhooks.receive(
      tenant: tenant, headers: request.headers.map { ($0.name.rawName, $0.value) }, body: ArrivingBody(request))
    switch answer.status {
    case 200:
      return Response(
        status: .ok, headers: [.contentType: "application/json"],
        body: .init(byteBuffer: ByteBuffer(string: #"{"disposition":"\#(answer.disposition.rawValue)"}"#)))
    case 401:
      // One answer for a wrong signature and for a tenant that does not exist.
      throw Problem(.unauthenticated, "The signature does not match the body and a secret known here.")
    case 413:
      throw Problem(.contentTooLarge, "The webhook's body is larger than its type may be.")
    default:
      throw Problem(HTTPResponse.Status(code: answer.status))
    }
  }
}
