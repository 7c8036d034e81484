import Foundation
import Testing

/// `tenant rotate-secret`, `disable` and `enable`, seen by a service that runs.
@Suite struct TenantSecretCommandTests {
  private static func deliver(_ user: String, _ secret: String, to service: ServiceProcess) async throws -> Int {
    try await service.deliver(SignedWebhook(SignedWebhook.success(userID: user), secret: secret)).status
  }

  @Test func aServiceThatRunsTakesTheNewSecretAndTheOldOne() async throws {
    let deployment = try await Deployment.make()
    let nothing = try await CommandLineTool.run(["tenant", "rotate-secret", "acme"], database: deployment.database)
    #expect(nothing.code == 64 && nothing.errors.contains("--signing-secret-file"))
    let shown = try await CommandLineTool.run(
      ["tenant", "rotate-secret", "acme", "--format", "json"], database: deployment.database,
      environment: ["REGISTRY_TENANT_SIGNING_SECRET": "the new secret"])
    #expect(shown.code == 0, "\(shown.errors)")
    #expect(!(shown.output + shown.errors).contains("the new secret"))
    try await deployment.serve { service in
      for (secret, status) in [("the new secret", 200), (Deployment.secret, 200), ("another", 401)] {
        let answer = try await Self.deliver("u-\(secret.count)", secret, to: service)
        #expect(answer == status)
      }
    }
    for arguments in [
      ["tenant", "rotate-secret", "acme", "--immediately"], ["tenant", "disable", "acme"],
      ["key", "rotate", UUID().uuidString, "--immediately", "--tenant", "acme"],
      ["endpoint", "remove", UUID().uuidString, "--tenant", "acme"],
    ] {
      let unasked = try await CommandLineTool.run(
        arguments, database: deployment.database, environment: ["REGISTRY_TENANT_SIGNING_SECRET": "the newest"])
      #expect(unasked.code == 64 && unasked.errors.contains("give --yes"), "\(arguments): \(unasked.errors)")
    }
    // A key for Terra alone ends no signing secret.
    _ = try await CommandLineTool.json(
      ["tenant", "rotate-secret", "acme", "--immediately"], database: deployment.database,
      environment: ["REGISTRY_TENANT_TERRA_API_KEY": "another key"])
    _ = try await CommandLineTool.json(
      ["tenant", "rotate-secret", "acme", "--immediately", "--yes"], database: deployment.database,
      environment: ["REGISTRY_TENANT_SIGNING_SECRET": "the newest"])
    _ = try await CommandLineTool.json(["tenant", "disable", "acme", "--yes"], database: deployment.database)
    let refused = try await deployment.serve { try await Self.deliver("u4", "the newest", to: $0) }
    #expect(refused == 401)
    _ = try await CommandLineTool.json(["tenant", "enable", "acme"], database: deployment.database)
    try await deployment.serve { service in
      for (secret, status) in [("the newest", 200), (Deployment.secret, 401)] {
        let answer = try await Self.deliver("v-\(secret.count)", secret, to: service)
        #expect(answer == status)
      }
    }
  }
}
