import Foundation
import Testing

/// With nothing given, the service and the commands share a private cluster.
@Suite(.timeLimit(.minutes(20))) struct PrivateClusterTests {
  @Test func startsWithNothingGiven() async throws {
    let directory = "/tmp/registry-private-\(UUID().uuidString.prefix(8).lowercased())"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let environment = ["REGISTRY_STATE_DIR": directory]
    try await ServiceProcess.with(database: nil, environment: environment) { service in
      #expect(service.log().contains("started the private PostgreSQL cluster in \(directory)"))
      #expect(try await service.send("GET", "/readyz").status == 200)
      let keys = try FileManager.default.attributesOfItem(atPath: directory + "/master.keys")
      #expect(keys[.posixPermissions] as? Int == 0o600)

      // The commands find the same cluster.
      let made = try await CommandLineTool.run(
        ["tenant", "create", "acme", "--dev-id", "d", "--return-url", "https://app.acme.io/devices"], database: nil,
        environment: environment.merging([
          "REGISTRY_TENANT_TERRA_API_KEY": "k", "REGISTRY_TENANT_SIGNING_SECRET": Deployment.secret,
        ]) { first, _ in first })
      #expect(made.code == 0, "\(made.errors)")
      let webhook = SignedWebhook(SignedWebhook.success(userID: "u1"), secret: Deployment.secret)
      #expect(try await service.deliver(webhook).member("disposition") == "accepted")
    }
    // And they start it again when nobody runs it.
    let list = try await CommandLineTool.run(
      ["connection", "list", "--tenant", "acme"], database: nil, environment: environment)
    #expect(list.code == 0, "\(list.errors)")
    #expect(list.output.contains("u1"))

    chmod(directory + "/master.keys", 0o644)
    let open = try await CommandLineTool.run(["tenant", "list"], database: nil, environment: environment)
    #expect(open.code == 2)
    #expect(open.errors.contains("chmod 600"))
  }
}
