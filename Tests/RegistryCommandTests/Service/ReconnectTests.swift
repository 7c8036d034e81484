import Foundation
import TerraSandbox
import Testing

/// A connection that must be made again, from Terra's word about it to the new id, over real HTTP.
@Suite(.timeLimit(.minutes(20))) struct ReconnectTests {
  /// A connection as the API shows it.
  private static func connection(_ service: ServiceProcess, _ user: String, key: String) async throws -> [String: Any] {
    let answer = try await service.api("GET", "/v1/connections/\(user)", key: key)
    try #require(answer.status == 200, "\(answer.body)")
    let detail = try #require(try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any])
    return try #require(detail["connection"] as? [String: Any])
  }

  /// Opens a session, lets the person approve, and waits for Terra's webhooks.
  private static func connect(
    _ service: ServiceProcess, _ sandbox: Sandbox, key: String, _ members: [String: Any]
  ) async throws -> (session: String, user: String) {
    let body = members.merging([
      "success": "https://app.acme.io/devices/done", "failure": "https://app.acme.io/devices/error",
    ]) { $1 }
    let opened = try await service.api(
      "POST", "/v1/sessions", key: key,
      json: String(decoding: try JSONSerialization.data(withJSONObject: body), as: UTF8.self))
    try #require(opened.status == 201, "\(opened.body)")
    #expect(opened.member("reference_id") == "person-1" && opened.member("resource") == "GARMIN")
    #expect(opened.member("replaces") == members["replaces"] as? String)
    let login = try #require(opened.member("auth_url"))
    let visit = try await SandboxBrowser.with(sandbox: sandbox) { try await $0.visit(login, decision: .approve) }
    #expect(visit.finalURL?.hasPrefix("https://app.acme.io/devices/done?") == true)
    await sandbox.waitUntilIdle()
    return (try #require(opened.member("session_id")), try #require(opened.member("user_id")))
  }

  @Test(arguments: SandboxGeneration.allCases)
  func whatTheConnectionSaysOpensTheSessionThatReplacesIt(generation: SandboxGeneration) async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      let key = try await deployment.key()
      try await deployment.serve { service in
        try await sandbox.update(tenant: "acme") {
          $0.webhookURL = "\(service.url)/webhooks/terra/acme"
          $0.generation = generation
        }
        let old = try await Self.connect(
          service, sandbox, key: key, ["reference_id": "person-1", "resource": "GARMIN"]
        ).user
        let living = try await Self.connection(service, old, key: key)
        #expect(living["status"] as? String == "active" && living["needs_reauth"] as? Bool == false)
        #expect(living["reconnect"] == nil)

        try await sandbox.rejectToken(tenant: "acme", userID: old)
        await sandbox.waitUntilIdle()
        let broken = try await Self.connection(service, old, key: key)
        #expect(broken["status"] as? String == "degraded" && broken["needs_reauth"] as? Bool == true)
        let way = try #require(broken["reconnect"] as? [String: Any])
        #expect(way as? [String: String] == ["kind": "direct", "replaces": old])

        let (session, new) = try await Self.connect(service, sandbox, key: key, way)
        #expect(new != old)
        let ended = try await Self.connection(service, old, key: key)
        #expect(ended["status"] as? String == "superseded" && ended["superseded_by"] as? String == new)
        #expect(ended["needs_reauth"] as? Bool == false && ended["reconnect"] == nil)
        let made = try await Self.connection(service, new, key: key)
        #expect(made["status"] as? String == "active" && made["reference_id"] as? String == "person-1")
        let shown = try await service.api("GET", "/v1/sessions/\(session)", key: key)
        #expect(shown.member("status") == "completed", "\(shown.body)")
        // There is nothing left to connect again, and nobody else's is touched by asking for it.
        let listed = try await service.api("GET", "/v1/connections?reference_id=person-1&status=active", key: key)
        #expect(listed.body.contains(new) && !listed.body.contains(old))
      }
      _ = try await CommandLineTool.json(["reconcile", "run", "--tenant", "acme"], database: deployment.database)
      let findings = try await deployment.items(["finding", "list"])
      #expect(findings.isEmpty, "\(findings.compactMap { $0["kind"] as? String })")
    }
  }
}
