import ConnectionRegistryTesting
import Foundation
import Testing

/// A team's test of its own code, with a registry and Terra's stand-in beside it.
@Suite struct TrialTests {
  @Test func aDeviceConnectsAndGoes() async throws {
    let databaseURL = try #require(ProcessInfo.processInfo.environment["APP_DATABASE_URL"])
    try await RegistryOnTrial.with(databaseURL: databaseURL, tenant: "acme") { trial in
      let account = SignedWebhook.Account(userID: "u1", referenceID: "person-1")
      try await trial.deliver(.authenticated(account))
      let connected = try await trial.registry.connections.list(tenant: trial.tenant, referenceID: "person-1")
      #expect(connected.map(\.status) == [.active])
      try await trial.deliver(.accessRevoked(account))
      let gone = try await trial.registry.connections.list(tenant: trial.tenant, referenceID: "person-1")
      #expect(gone.map(\.status) == [.revoked])
    }
  }
}
