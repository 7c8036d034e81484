@testable import ConnectionRegistry
import ConnectionRegistryTesting
import Foundation
import TestDatabase
import Testing

/// Tenants at different addresses of Terra's, in one process.
@Suite(.migratedDatabase) struct SeveralTerrasTests {
  @Test func eachTenantIsAtItsOwnTerra() async throws {
    try await TerraStandIn.with(environments: [SandboxEnvironment(slug: "globex")]) { other in
      try await withStage { stage in
        _ = try await stage.registry.tenants.create(
          other.tenant("globex", returnURLs: [Stage.returnURL, Stage.failureURL]))
        let sessions = try await withThrowingTaskGroup(of: (String, AuthSession).self) { group in
          for number in 0..<16 {
            let tenant = number % 2 == 0 ? "acme" : "globex"
            group.addTask {
              (
                tenant,
                try await stage.registry.sessions.open(
                  tenant: tenant,
                  NewAuthSession(
                    referenceID: "person-\(number)", resource: number % 4 < 2 ? "FITBIT" : nil,
                    success: Stage.returnURL, failure: Stage.failureURL))
              )
            }
          }
          return try await group.reduce(into: []) { $0.append($1) }
        }
        for (tenant, session) in sessions {
          #expect(session.authURL?.hasPrefix((tenant == "acme" ? stage.terra : other.url) + "/") == true)
        }
        for (sandbox, tenant, stranger) in [(stage.sandbox, "acme", "globex"), (other.sandbox, "globex", "acme")] {
          let calls = await sandbox.calls(tenant: tenant)
          #expect(calls.count == 8)
          #expect(calls.allSatisfy { $0.headers["x-api-key"] == "\(tenant)-api-key" })
          #expect(await sandbox.calls(tenant: stranger).isEmpty)
        }
        // The same account number at both is two connections, and each listing is its own.
        for (sandbox, tenant) in [(stage.sandbox, "acme"), (other.sandbox, "globex")] {
          try await sandbox.connectOutsideSession(tenant: tenant, referenceID: "\(tenant)-1", resource: "OURA")
          #expect(try await stage.registry.connections.importFromTerra(tenant: tenant).added == 1)
          let listed = try await stage.registry.connections.list(tenant: tenant).items
          #expect(listed.map(\.referenceID) == ["\(tenant)-1"])
        }
      }
    }
  }
}
