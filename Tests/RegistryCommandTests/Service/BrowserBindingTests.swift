import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import TerraSandbox
import Testing

/// A browser that begins at `/connect` is known by its cookie when Terra's page sends it back, over real HTTP.
@Suite(.timeLimit(.minutes(20))) struct BrowserBindingTests {
  private static let success = "https://app.acme.io/devices/done"
  private static let failure = "https://app.acme.io/devices/error"

  private struct Begun {
    var session: String
    var user: String
    /// Where the browser is to begin: path and query at the service.
    var path: String
  }

  private static func binding(_ terra: String) async throws -> Deployment {
    let deployment = try await Deployment.make(terra: terra)
    let tenant = try await CommandLineTool.json(
      ["tenant", "update", "acme", "--binds-browser"], database: deployment.database)
    #expect(tenant["binds_browser"] as? Bool == true, "\(tenant)")
    return deployment
  }

  private static func begin(_ service: ServiceProcess, key: String) async throws -> Begun {
    let opened = try await service.api(
      "POST", "/v1/sessions", key: key,
      json: """
        {"reference_id":"person-1","resource":"GARMIN","success":"\(success)","failure":"\(failure)"}
        """)
    try #require(opened.status == 201, "\(opened.body)")
    let url = try #require(opened.member("auth_url"))
    try #require(url.hasPrefix(service.url + "/connect/acme/"))
    return Begun(
      session: try #require(opened.member("session_id")), user: try #require(opened.member("user_id")),
      path: String(url.dropFirst(service.url.count)))
  }

  /// Sets out, and gives the cookie as a browser would send it back, with where Terra's page is.
  private static func depart(_ service: ServiceProcess, _ begun: Begun) async throws -> (cookie: String, page: String) {
    let departure = try await service.send("GET", begun.path)
    try #require(departure.status == 303, "\(departure.body)")
    #expect(departure.headers["cache-control"] == "no-store" && departure.headers["referrer-policy"] == "no-referrer")
    let parts = try #require(departure.headers["set-cookie"]).split(separator: ";").map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    let cookie = try #require(parts.first)
    #expect(cookie.hasPrefix("__Host-"))
    // All there is: no Domain, which would take in other hosts, and no other path.
    let lasting = parts.dropFirst().filter { !$0.hasPrefix("Max-Age=") }
    #expect(lasting.sorted() == ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"], "\(parts.dropFirst())")
    #expect(parts.count == 6)
    return (cookie, try #require(departure.headers["location"]))
  }

  /// The person approves on Terra's page, which sends the browser back.
  private static func approve(_ page: String, _ service: ServiceProcess) async throws -> String {
    var request = HTTPClientRequest(url: page)
    request.method = .POST
    request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
    request.body = .bytes(ByteBuffer(string: "decision=approve"))
    let answer = try await HTTPClient.withoutRedirects.execute(request, timeout: .minutes(5))
    let location = try #require(answer.headers.first(name: "location"))
    try #require(location.hasPrefix(service.url + "/callbacks/terra/acme/"))
    return String(location.dropFirst(service.url.count))
  }

  @Test func onlyTheBrowserThatBeganReachesTheSuccessURL() async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Self.binding(terra)
      let key = try await deployment.key()
      try await deployment.serve { service in
        try await sandbox.update(tenant: "acme") { $0.webhookURL = "\(service.url)/webhooks/terra/acme" }
        let begun = try await Self.begin(service, key: key)
        let other = try await Self.begin(service, key: key)
        let (cookie, page) = try await Self.depart(service, begun)
        let (foreign, _) = try await Self.depart(service, other)
        #expect(page.hasPrefix(terra + "/login/"))
        let name = try #require(cookie.split(separator: "=").first)
        let foreignValue = try #require(foreign.split(separator: "=").last)
        #expect(cookie != foreign && !foreign.hasPrefix(name + "="), "two attempts share a cookie")

        let back = try await Self.approve(page, service)
        func arrive(_ cookies: [String]) async throws -> String {
          let answer = try await service.send("GET", back, headers: cookies.map { ("Cookie", $0) })
          #expect(answer.status == 303, "\(answer.body)")
          return try #require(answer.headers["location"])
        }
        for cookies in [
          [], ["theme=dark; session=x"], [foreign], ["\(name)=\(foreignValue)"], ["\(name)="], [String(name)],
          ["x\(cookie)"], ["theme=dark; \(cookie); \(name)=x"], ["\(name)=x; \(cookie)"], [cookie, "\(name)=x"],
          [cookie, cookie], ["\(cookie); \(cookie)"],
        ] {
          let location = try await arrive(cookies)
          #expect(location.hasPrefix(Self.failure + "?session_id=\(begun.session)&"), "\(location)")
          #expect(!location.contains(begun.user))
        }
        // What others did without the cookie is not held against the browser that has it.
        for cookies in [[cookie], ["theme=dark; \(foreign); \(cookie); last=1"], ["theme=dark", cookie, foreign]] {
          let location = try await arrive(cookies)
          #expect(location.hasPrefix(Self.success + "?"), "\(location)")
          #expect(location.contains("user_id=\(begun.user)") && location.contains("session_id=\(begun.session)"))
        }
        await sandbox.waitUntilIdle()
        let shown = try await service.api("GET", "/v1/sessions/\(begun.session)", key: key)
        #expect(shown.member("status") == "completed", "\(shown.body)")
        // Neither the cookie nor the URL that gives it out stands anywhere else.
        #expect(shown.member("auth_url") == nil)
        #expect(!service.log().contains(String(cookie.dropFirst(name.count + 1))))
      }
      let bound = try await deployment.items(["callback", "list"]).compactMap { $0["is_bound"] as? Bool }
      #expect(bound == [false, true])
    }
  }

  /// Whoever only looks, or comes with what is not bound, gets no cookie.
  @Test func whatOnlyLooksSetsNothing() async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      let key = try await deployment.key()
      let unbound = try await deployment.serve { service -> String in
        let opened = try await service.api(
          "POST", "/v1/sessions", key: key,
          json: #"{"resource":"GARMIN","success":"\#(Self.success)","failure":"\#(Self.failure)"}"#)
        let login = try #require(opened.member("auth_url"), "\(opened.body)")
        #expect(login.hasPrefix(terra))
        return CallbackURL(try #require(await sandbox.attempt(loginURL: login)?.successURL)).token
      }
      _ = try await CommandLineTool.json(
        ["tenant", "update", "acme", "--binds-browser"], database: deployment.database)
      try await deployment.serve { service in
        let begun = try await Self.begin(service, key: key)
        var looks = [try await service.send("HEAD", begun.path)]
        for (name, value) in [("Sec-Purpose", "prefetch;prerender"), ("Purpose", "prefetch"), ("X-Moz", "prefetch")] {
          looks.append(try await service.send("GET", begun.path, headers: [(name, value)]))
          #expect(looks.last?.status == 503)
        }
        let forged = String(repeating: "A", count: 22)
        for path in ["acme/\(unbound)", "acme/\(forged)", "globex/\(begun.path.split(separator: "/").last ?? "")"] {
          looks.append(try await service.send("GET", "/connect/\(path)"))
          #expect(looks.last?.status == 404)
        }
        for look in looks {
          #expect(look.headers["set-cookie"] == nil && look.headers["location"] == nil)
        }
        // The person who really goes there is sent on.
        let (_, page) = try await Self.depart(service, begun)
        #expect(page.hasPrefix(terra))
      }
    }
  }
}
