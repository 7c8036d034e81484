@testable import ConnectionRegistry
import Foundation
import RegistryModel
import TestDatabase
import Testing

/// Sessions that are bound to the browser that began.
@Suite(.migratedDatabase) struct BrowserBindingTests {
  private static func bind(_ stage: Stage) async throws {
    var change = TenantChange()
    change.bindsBrowser = true
    _ = try await stage.registry.tenants.update("acme", change)
  }

  @Test func onlyTheBrowserThatBeganIsSentOnWithData() async throws {
    try await withStage { stage in
      try await Self.bind(stage)
      let opened = try await stage.open("FITBIT")
      let user = try #require(opened.session.userID)
      #expect(opened.session.authURL == "\(Stage.publicURL)/connect/acme/\(opened.token)")
      #expect(opened.session.isBound)
      // Terra's own URL would lead around the cookie.
      #expect(try await stage.registry.sessions.show(tenant: "acme", opened.id).authURL == nil)
      guard
        case .redirect(let target, let name, let value, let seconds) = try await stage.registry.callbacks.depart(
          tenant: "acme", attempt: opened.token)
      else {
        Issue.record("no departure")
        return
      }
      #expect(target.hasPrefix(stage.terra))
      #expect(name.hasPrefix("__Host-connect-") && seconds > 900)
      func arrive(_ cookies: [String: String]) async throws -> String {
        let answer = try await stage.registry.callbacks.receive(
          tenant: "acme", attempt: opened.token, outcome: .success, rawQuery: "user_id=\(user)&resource=FITBIT",
          cookies: cookies)
        guard case .redirect(let url) = answer else { return "\(answer)" }
        return url
      }
      for cookies in [[:], [name: "x"], [name + "x": value]] {
        let url = try await arrive(cookies)
        #expect(url.hasPrefix(Stage.failureURL + "?session_id="), "\(url)")
        #expect(!url.contains(user))
      }
      let url = try await arrive([name: value, "other": "1"])
      #expect(url.hasPrefix(Stage.returnURL + "?user_id=\(user)"), "\(url)")
      let bound = try await stage.registry.callbacks.list(tenant: "acme").items.map(\.isBound)
      #expect(bound == [false, true])
    }
  }

  @Test func theSameKeyGivesTheSameDeparture() async throws {
    try await withStage { stage in
      try await Self.bind(stage)
      let first = try await stage.open("FITBIT", key: "k").session
      let second = try await stage.open("FITBIT", key: "k").session
      #expect(first == second)
      #expect(first.authURL?.contains("/connect/acme/") == true)
    }
  }

  @Test func thereIsNoDepartureWhereNoneIsBoundOrAnyMore() async throws {
    try await withStage { stage in
      let unbound = try await stage.open("FITBIT")
      #expect(unbound.session.authURL?.hasPrefix(stage.terra) == true)
      try await Self.bind(stage)
      let expired = try await stage.open("FITBIT")
      try await stage.letPass(seconds: 100_000)
      for (tenant, token) in [
        ("acme", unbound.token), ("acme", expired.token), ("acme", "forged"), ("nobody", expired.token),
        ("acme", String(repeating: "x", count: 500)),
      ] {
        #expect(try await stage.registry.callbacks.depart(tenant: tenant, attempt: token) == .unknown)
      }
    }
  }
}
