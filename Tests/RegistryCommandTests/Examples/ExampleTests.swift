import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import TerraSandbox
import Testing

/// What `Examples/` shows, as it would be run.
@Suite("The examples", .timeLimit(.minutes(20)))
struct ExampleTests {
  @Test("the command line opens a session and sees the device connect")
  func commandLine() async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      try await deployment.serve { service in
        try await sandbox.update(tenant: "acme") { $0.webhookURL = service.url + "/webhooks/terra/acme" }
        let told = try await ExampleProcess.with(
          "ExampleCommandLine", ["acme", "person-1", "GARMIN", "https://app.acme.io/devices"],
          database: deployment.database, environment: ["REGISTRY_PUBLIC_URL": service.url], ends: true
        ) { lines in
          let first = try #require(await lines.next())
          #expect(first.hasPrefix("Open \(terra)/login/"), "\(first)")
          _ = try await SandboxBrowser.with(sandbox: sandbox) { browser in
            try await browser.visit(String(first.dropFirst("Open ".count)), decision: .approve)
          }
          var told: [String] = []
          while let line = await lines.next() { told.append(line) }
          return told
        }
        #expect(
          told.map { $0.split(separator: " ").dropFirst().joined(separator: " ") } == [
            "new -> pending", "pending -> active",
          ])
      }
      let consumed = try await deployment.count("registry.change_consumer WHERE name = 'connect-device'")
      #expect(consumed == 1)
    }
  }

  @Test("the backend connects a device, shows it, and counts it in a table of its own")
  func hummingbirdApp() async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      let port = try await ExampleProcess.freePort()
      let url = "http://127.0.0.1:\(port)"
      _ = try await CommandLineTool.json(
        [
          "tenant", "create", "globex", "--environment", "testing", "--dev-id", "globex-dev-id", "--return-url",
          "http://localhost:\(port)/", "--terra-base-url", "\(terra)/v2", "--terra-widget-url",
          "\(terra)/api/widget/session",
        ], database: deployment.database,
        environment: [
          "REGISTRY_TENANT_TERRA_API_KEY": "globex-api-key", "REGISTRY_TENANT_SIGNING_SECRET": "globex-signing-secret",
        ])
      try await sandbox.update(tenant: "globex") { $0.webhookURL = url + "/webhooks/terra/globex" }
      let file = "/tmp/registry-example-\(UUID().uuidString.lowercased()).json"
      defer { try? FileManager.default.removeItem(atPath: file) }
      let environment = [
        "REGISTRY_PUBLIC_URL": url, "APP_TENANT": "globex", "APP_PORT": "\(port)", "APP_DEVICES_FILE": file,
      ]
      try await ExampleProcess.with(
        "ExampleHummingbirdApp", database: deployment.database, environment: environment
      ) { lines in
        #expect(await lines.next() == "Listening on \(url)")
        let begun = try await Self.send("POST", url + "/people/person-1/devices/garmin")
        #expect(begun.status == 303)
        let visit = try await SandboxBrowser.with(sandbox: sandbox) { browser in
          try await browser.visit(try #require(begun.location), decision: .approve)
        }
        #expect(visit.arrivals.first?.location?.hasPrefix("http://localhost:\(port)/people/person-1/devices?") == true)
        while try await Self.send("GET", url + "/devices/count").body != "1" {}
        let page = try await Self.send("GET", url + "/people/person-1/devices").body
        #expect(page.contains("<li>GARMIN: active</li>"))
      }
      // The table outlives the process, and what is acknowledged does not come again.
      try await ExampleProcess.with(
        "ExampleHummingbirdApp", database: deployment.database, environment: environment
      ) { lines in
        #expect(await lines.next() == "Listening on \(url)")
        let count = try await Self.send("GET", url + "/devices/count").body
        #expect(count == "1")
      }
    }
  }

  private static func send(
    _ method: String, _ url: String
  ) async throws -> (status: UInt, location: String?, body: String) {
    var request = HTTPClientRequest(url: url)
    request.method = .init(rawValue: method)
    let response = try await HTTPClient.withoutRedirects.execute(request, timeout: .minutes(5))
    let body = try await response.body.collect(upTo: 1 << 20)
    return (response.status.code, response.headers.first(name: "location"), String(buffer: body))
  }
}
