import ConnectionRegistry
import HTTPTypes
import Hummingbird
import NIOCore

/// What orchestrators ask: does the process live, and can it do its work.
struct HealthRoutes: Sendable {
  let registry: ConnectionRegistry

  func add<Context: RequestContext>(to router: some RouterMethods<Context>) {
    // To HEAD the group leaves the body out.
    for method in [HTTPRequest.Method.get, .head] {
      router.on("healthz", method: method) { _, _ in
        Response(
          status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
          body: .init(byteBuffer: ByteBuffer(string: #"{"status":"ok"}"#)))
      }
      router.on("readyz", method: method) { _, _ in
        let readiness = await registry.readiness()
        return try JSONAnswer.response(readiness, status: readiness.ready ? .ok : .serviceUnavailable)
      }
    }
  }
}
