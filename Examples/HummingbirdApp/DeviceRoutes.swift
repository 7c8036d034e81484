import ConnectionRegistry
import Hummingbird
import NIOCore

/// What a person sees of its devices.
///
/// Who the person is stands in the path here; a real backend takes it from its own sign-in.
struct DeviceRoutes: Sendable {
  let registry: ConnectionRegistry
  let tenant: String
  let board: DeviceBoard
  let origin: String

  func add(to router: Router<BasicRequestContext>) {
    router.get("people/{id}/devices") { _, context in
      let person = try context.parameters.require("id")
      let mine = try await registry.connections.list(tenant: tenant, referenceID: person)
      let rows = mine.map { "<li>\(Self.escape($0.resource ?? "unknown")): \($0.status.rawValue)</li>" }
      return Self.page("<h1>Devices</h1><ul>\(rows.joined())</ul>")
    }
    // As a form's button sends it: the browser goes on to Terra, and comes back to the page above.
    router.post("people/{id}/devices/{provider}") { _, context in
      let person = try context.parameters.require("id")
      guard let provider = try? Resource(context.parameters.require("provider")) else { throw HTTPError(.badRequest) }
      let page = "\(origin)/people/\(person)/devices"
      let session = try await registry.sessions.open(
        tenant: tenant, referenceID: person, resource: provider, returnTo: .init(success: page, failure: page))
      return Response(status: .seeOther, headers: [.location: session.authURL ?? page])
    }
    router.get("devices/count") { _, _ in "\(await board.liveCount)" }
  }

  private static func page(_ html: String) -> Response {
    Response(
      status: .ok, headers: [.contentType: "text/html; charset=utf-8"],
      body: .init(byteBuffer: ByteBuffer(string: "<!doctype html>\(html)")))
  }

  private static func escape(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }
}
