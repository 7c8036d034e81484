import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

extension SandboxRoutes {
  /// Adds the pages on which a person decides, and Terra's own last pages.
  func addLoginPages(to router: Router<BasicRequestContext>) {
    // The widget's pages and the providers' pages have different addresses at Terra too.
    for prefix in ["session", "login"] {
      router.get(RouterPath("\(prefix)/:flow")) { _, context in
        await self.showLogin(flow: context.parameters.get("flow") ?? "")
      }
      router.post(RouterPath("\(prefix)/:flow")) { request, context in
        try await self.decide(request, flow: context.parameters.get("flow") ?? "")
      }
    }
    router.get("session/demo/success") { _, _ in
      self.notice("Connected", "You can close this page.")
    }
    router.get("session/demo/failure") { _, _ in
      self.notice("Not connected", "You can close this page and try again.")
    }
  }

  private func showLogin(flow: String) async -> Response {
    guard let attempt = await self.world.attempt(flow: flow),
      let environment = await self.world.environment(slug: attempt.tenant)
    else { return self.notice("Unknown page", "This address leads nowhere.", status: .notFound) }
    guard self.sandbox.clock.now() < attempt.expiresAt else {
      return self.notice("Too late", "This page has expired. Go back to the app and try again.", status: .gone)
    }
    guard attempt.decision == nil || attempt.isMultiAuth else {
      return self.notice("Already decided", "Go back to the app.", status: .conflict)
    }
    return Response.html(self.sandbox.page.render(attempt, environment: environment))
  }

  private func decide(_ request: Request, flow: String) async throws -> Response {
    let body = try await request.body.collect(upTo: 16_384)
    let form = FormCoding.pairs(String(buffer: body))
    let decision = form.first { $0.name == "decision" }?.value ?? ""
    let picked = form.first { $0.name == "resource" }?.value
    guard let attempt = await self.world.attempt(flow: flow) else {
      return self.notice("Unknown page", "This address leads nowhere.", status: .notFound)
    }
    do {
      guard let redirect = try await self.sandbox.decide(attempt, decision: decision, picked: picked) else {
        return self.notice("Unknown decision", "Approve or deny.", status: .badRequest)
      }
      if attempt.isMultiAuth, decision == "approve", redirect.isSuccess {
        return Response(status: .seeOther, headers: [.location: "/session/\(attempt.flow)"])
      }
      let page = redirect.isSuccess ? "success" : "failure"
      let target =
        if let own = redirect.target { own } else { await self.sandbox.publicURL() + "/session/demo/\(page)" }
      let location = redirect.url(target: target) { attempt.plan.draw("redirect \($0)") }
      return Response(status: .found, headers: [.location: location, .cacheControl: "no-store"])
    } catch let refusal as SandboxRefusal {
      switch refusal {
      case .expired: return self.notice("Too late", "This page has expired.", status: .gone)
      case .alreadyDecided: return self.notice("Already decided", "Go back to the app.", status: .conflict)
      default: return self.notice("Not possible", "Pick a provider from the list.", status: .badRequest)
      }
    }
  }

  private func notice(_ title: String, _ message: String, status: HTTPResponse.Status = .ok) -> Response {
    Response.html(self.sandbox.page.render(title: title, message: message), status: status)
  }
}
