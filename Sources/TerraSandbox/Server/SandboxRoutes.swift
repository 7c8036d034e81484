import Foundation
import HTTPTypes
import Hummingbird

/// The routes of the sandbox: Terra's API in both generations, the login pages, and the sandbox's own controls.
struct SandboxRoutes: Sendable {
  let sandbox: Sandbox

  var world: SandboxWorld { self.sandbox.world }

  /// Builds the router.
  func router() -> Router<BasicRequestContext> {
    let router = Router()
    for (prefix, family) in [("v2", TerraCall.Family.legacy), ("api/v2", .access)] {
      let group = router.group(RouterPath(prefix))
      group.post("auth/generateWidgetSession") { request, _ in
        try await self.generateWidgetSession(TerraCall(request, family: family, world: self.world))
      }
      group.post("auth/authenticateUser") { request, _ in
        try await self.authenticateUser(TerraCall(request, family: family, world: self.world))
      }
      group.delete("auth/deauthenticateUser") { request, _ in
        try await self.deauthenticateUser(TerraCall(request, family: family, world: self.world))
      }
      // The older generation knows the older name only.
      for path in family == .legacy ? ["auth/generateAuthToken"] : ["auth/generateAuthToken", "auth/tokens"] {
        group.post(RouterPath(path)) { request, _ in
          try await self.generateAuthToken(TerraCall(request, family: family, world: self.world))
        }
      }
      group.get("userInfo") { request, _ in
        try await self.userInfo(TerraCall(request, family: family, world: self.world))
      }
      group.get("subscriptions") { request, _ in
        try await self.subscriptions(TerraCall(request, family: family, world: self.world))
      }
      group.post("bulkUserInfo") { request, _ in
        try await self.bulkUserInfo(TerraCall(request, family: family, world: self.world))
      }
      if family == .legacy {
        group.patch("users/:user_id") { request, context in
          try await self.modifyUser(
            TerraCall(request, family: family, world: self.world), userID: context.parameters.require("user_id"))
        }
      }
      group.get("integrations") { _, _ in self.integrations() }
      group.get("integrations/detailed") { request, _ in await self.detailedIntegrations(request) }
    }
    for path in ["api/widget/session", "widget/session", "widget/api/session"] {
      router.post(RouterPath(path)) { request, _ in
        try await self.createWidgetSession(TerraCall(request, family: .widget, world: self.world))
      }
    }
    self.addLoginPages(to: router)
    self.addControls(to: router.group("sandbox"))
    return router
  }
}
