import EmbeddedPostgres
import Foundation
import TerraSandbox
import TestDatabase
import Testing

/// Arrivals of browsers over real HTTP.
@Suite(.timeLimit(.minutes(20))) struct CallbackTests {
  @Test func sendsTheBrowserOn() async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      let key = try await deployment.key()
      try await deployment.serve { service in
        let (token, session, user) = try await service.open(sandbox, key: key)
        let path = "/callbacks/terra/acme/\(token)/success?user_id=\(user)&reference_id=person-1&resource=GARMIN"
        let first = try await service.send("GET", path)
        #expect(first.status == 303, "\(first.body)")
        #expect(first.headers["cache-control"] == "no-store")
        #expect(first.headers["referrer-policy"] == "no-referrer")
        let location = try #require(first.headers["location"])
        #expect(location.hasPrefix("https://app.acme.io/devices/done?keep=1&user_id=\(user)"))
        #expect(location.contains("session_id=\(session)") && location.contains("verdict=unverified"))
        // A reload is the same claim.
        #expect(try await service.send("GET", path).headers["location"] == location)
        #expect(try await deployment.items(["callback", "list"]).count == 1)

        // What only looks is no arrival: nothing is stored.
        let other = "/callbacks/terra/acme/\(token)/failure?reason=x"
        #expect(try await service.send("HEAD", other).status == 204)
        for (name, value) in [("Sec-Purpose", "prefetch;prerender"), ("Purpose", "prefetch"), ("X-Moz", "prefetch")] {
          let answer = try await service.send("GET", other, headers: [(name, value)])
          #expect(answer.status == 503)
          #expect(answer.headers["location"] == nil)
        }
        #expect(try await deployment.items(["callback", "list"]).count == 1)
        let failed = try await service.send("GET", other)
        #expect(failed.headers["location"]?.hasPrefix("https://app.acme.io/devices/error?reason=x&") == true)
        #expect(try await deployment.items(["callback", "list"]).count == 2)
      }
    }
  }

  /// Every parameter missing, doubled, empty, null, not decodable: a claim is stored, the browser goes on.
  @Test func takesAnyQueryAsAClaim() async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      let key = try await deployment.key()
      try await deployment.serve { service in
        let (token, _, user) = try await service.open(sandbox, key: key)
        let queries = [
          "", "?", "?user_id=", "?user_id=null&reference_id=null&resource=null", "?&&&==", "?user_id",
          "?user_id=\(user)&user_id=other&reference_id=person-1&reference_id=other&resource=GARMIN&resource=OURA",
          "?user_id=%", "?user_id=%FF%FE", "?user_id=%00", "?reference_id=a%00b", "?resource=%c3%28",
          "?user_id=\(String(repeating: "u", count: 3_000))", "?reference_id=\(String(repeating: "r", count: 4_096))",
          "?reason=%3Cscript%3E", "?user_id=%0d%0aX-Evil:%201",
        ]
        for query in queries {
          for outcome in ["success", "failure"] {
            let answer = try await service.sendRaw("GET /callbacks/terra/acme/\(token)/\(outcome)\(query)")
            #expect(answer.status == 303, "\(query.prefix(60)): \(answer.body)")
            let location = try #require(answer.headers["location"])
            #expect(location.hasPrefix("https://app.acme.io/devices/"), "\(location)")
            #expect(answer.headers["x-evil"] == nil)
          }
        }
        // Bytes that no URL may hold: whatever the answer, the service lives and sends nobody astray.
        let path = Array("GET /callbacks/terra/acme/\(token)/success?user_id=".utf8)
        for bytes: [UInt8] in [[0xff, 0xfe], [0x00], [0x7f], [0xc3, 0xa4], Array("a b".utf8)] {
          let answer = try await service.sendRaw(path + bytes)
          #expect([303, 400].contains(answer.status), "\(bytes): \(answer.status)")
        }
        #expect(try await service.send("GET", "/healthz").status == 200)
      }
      let callbacks = try await deployment.items(["callback", "list"])
      #expect(callbacks.count >= 28)
      let doubled = try #require(
        callbacks.first { ($0["raw_query"] as? String)?.contains("user_id=other") == true })
      #expect((doubled["ambiguous"] as? [String])?.sorted() == ["reference_id", "resource", "user_id"])
      // No claim has made a connection.
      let connections = try await deployment.items(["connection", "list"])
      #expect(connections.isEmpty)
    }
  }

  /// A forged, a foreign and a cut token, an unknown tenant: one page, and never a redirect.
  @Test func answersAnUnknownTokenWithAPage() async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      try await deployment.addTenant("globex", terra: terra)
      let key = try await deployment.key()
      try await deployment.serve { service in
        let (token, _, _) = try await service.open(sandbox, key: key)
        var pages: Set<String> = []
        for path in [
          "acme/forged", "globex/\(token)", "nobody/\(token)", "acme/\(token.dropLast())", "acme/\(token)x",
          "acme/%00", "acme/%FF", "acme/\(String(repeating: "t", count: 4_000))", "%00/\(token)",
          "acme/..%2F..%2Fetc",
        ] {
          let answer = try await service.sendRaw(
            "GET /callbacks/terra/\(path)/success?user_id=u&reference_id=r&redirect=https%3A%2F%2Fevil.example")
          #expect(answer.status == 404, "\(path)")
          #expect(answer.headers["location"] == nil)
          #expect(answer.headers["content-type"] == "text/html; charset=utf-8")
          pages.insert(answer.body)
        }
        #expect(pages.count == 1)
        #expect(!(pages.first ?? token).contains(token))
      }
      // Forged arrivals are evidence, at the tenant that they were made for.
      _ = try await CommandLineTool.json(["reconcile", "run"], database: deployment.database)
      let kinds = try await deployment.items(["finding", "list"]).compactMap { $0["kind"] as? String }
      #expect(kinds.contains("unknown_attempt"))
      #expect(try await deployment.items(["finding", "list"], tenant: "globex").count == 1)
    }
  }

  /// A visit with an expired token is recorded and sent on all the same: the person is back.
  @Test func sendsAnExpiredTokenOn() async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      let key = try await deployment.key()
      try await deployment.serve { service in
        let (token, session, user) = try await service.open(sandbox, key: key)
        try await TestDatabase.shared.embeddedCluster().runClient(
          "psql",
          [
            "-X", "-d", deployment.database, "-c",
            "UPDATE registry.auth_session SET expires_at = now() - interval '1 hour'",
          ])
        let answer = try await service.send("GET", "/callbacks/terra/acme/\(token)/success?user_id=\(user)")
        #expect(answer.status == 303)
        #expect(answer.headers["location"]?.contains("session_id=\(session)") == true)
        let shown = try await service.api("GET", "/v1/sessions/\(session)", key: key)
        #expect(shown.member("status") == "expired")
      }
      let callbacks = try await deployment.items(["callback", "list"])
      #expect(callbacks.count == 1)
      _ = try await CommandLineTool.json(["reconcile", "run"], database: deployment.database)
      let kinds = try await deployment.items(["finding", "list"]).compactMap { $0["kind"] as? String }
      #expect(!kinds.contains("unknown_attempt") && !kinds.contains("stale_session"), "\(kinds)")
    }
  }

  /// A token replayed with somebody else's id: the browser goes to the failure URL without Terra's parameters.
  @Test func tellsAReplayedToken() async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      let key = try await deployment.key()
      try await deployment.serve { service in
        let (token, _, _) = try await service.open(sandbox, key: key)
        let answer = try await service.send(
          "GET", "/callbacks/terra/acme/\(token)/success?user_id=somebody-elses&reference_id=person-1&resource=GARMIN")
        #expect(answer.status == 303)
        let location = try #require(answer.headers["location"])
        #expect(location.hasPrefix("https://app.acme.io/devices/error?session_id="), "\(location)")
        #expect(!location.contains("somebody-elses"))
        #expect(location.contains("verdict=contradicted"))
      }
      _ = try await CommandLineTool.json(["reconcile", "run", "--tenant", "acme"], database: deployment.database)
      let findings = try await deployment.items(["finding", "list", "--kind", "replayed_attempt"])
      let id = try #require(findings.first?["id"] as? String)
      #expect(id == id.lowercased())
      let shown = try await CommandLineTool.run(
        ["finding", "show", id, "--tenant", "acme"], database: deployment.database)
      #expect(shown.output.contains("replayed_attempt") && shown.output.contains("callbacks"))
    }
  }
}
