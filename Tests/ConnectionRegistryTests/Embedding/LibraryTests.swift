import ConnectionRegistry
import ConnectionRegistryHummingbird
import ConnectionRegistryTesting
import Configuration
import Foundation
import Hummingbird
import HummingbirdTesting
import HTTPTypes
import Logging
import NIOCore
import TestDatabase
import Testing

/// The library as a team writes it: with its products only, and nothing that is not public.
@Suite("The library", .database)
struct LibraryTests {
  @Test("is used as docs/embedding.md shows")
  func snippet() async throws {
    let environment = SandboxEnvironment(slug: "acme")
    try await TerraStandIn.with(environments: [environment]) { terra in
      let logger = Logger(label: "app") { _ in SwiftLogNoOpLogHandler() }
      let config = ConfigReader(
        provider: EnvironmentVariablesProvider(environmentVariables: [
          "REGISTRY_DATABASE_URL": TestDatabase.current, "REGISTRY_MASTER_KEYS": MasterKeyRing.newKey(),
        ]))
      let registry = ConnectionRegistry(configuration: try .init(reader: config.scoped(to: "registry")), logger: logger)
      try await ConnectionRegistry.migrate(try .init(reader: config.scoped(to: "registry")), logger: logger)
      let run = Task { try await registry.run() }
      defer { run.cancel() }
      _ = try await registry.tenants.create(terra.tenant("acme", returnURLs: ["https://app.acme.io/devices"]))

      let session = try await registry.sessions.open(
        tenant: "acme", referenceID: "person-1", resource: .fitbit,
        returnTo: .init(success: "https://app.acme.io/devices", failure: "https://app.acme.io/devices/error"))
      #expect(session.authURL?.hasPrefix(terra.url) == true)

      let webhook = SignedWebhook(
        .authenticated(.init(userID: session.userID ?? "", referenceID: "person-1", resource: "FITBIT")),
        secret: environment.signingSecret)
      let answer = try await registry.webhooks.receive(tenant: "acme", headers: webhook.headers, body: webhook.body)
      #expect(answer.disposition == .accepted)
      let mine = try await registry.connections.list(tenant: "acme", referenceID: "person-1", status: .active)
      #expect(mine.map(\.userID) == [session.userID])

      var seen: [ConnectionStatus] = []
      for try await change in registry.changes(tenant: "acme", consumer: "profiles") {
        seen.append(change.toStatus)
        try await change.acknowledge()
        if change.toStatus == .active { break }
      }
      #expect(seen == [.pending, .active])

      let router = Router()
      router.addRegistryRoutes(registry, [.webhooks, .callbacks])
      try await Application(router: router, logger: logger).test(.live) { client in
        var headers = HTTPFields()
        for (name, value) in webhook.headers { if let name = HTTPField.Name(name) { headers[name] = value } }
        let again = try await client.execute(
          uri: "/webhooks/terra/acme", method: .post, headers: headers, body: ByteBuffer(bytes: webhook.body))
        #expect(again.status == .ok && String(buffer: again.body).contains("duplicate"))
      }
    }
  }

  @Test("takes in every type of webhook, in both of Terra's generations", arguments: SandboxGeneration.allCases)
  func everyWebhook(generation: SandboxGeneration) async throws {
    try await RegistryOnTrial.with(databaseURL: TestDatabase.current, tenant: "acme", generation: generation) { trial in
      let account = SignedWebhook.Account(userID: "u1", referenceID: "person-1")
      var renewed = account
      renewed.userID = "u2"
      let story: [(SignedWebhook.Event, WebhookAnswer.Disposition, [ConnectionStatus])] = [
        (.authenticated(account, widgetSessionID: "w1"), .accepted, [.active]),
        (.connectionError(account), .accepted, [.degraded]),
        (.permissionChange(account, added: "SLEEP", removed: ""), .accepted, [.degraded]),
        (.reauthenticated(from: account, to: renewed), .accepted, [.superseded, .active]),
        (.data(renewed), .data, [.superseded, .active]),
        (.accessRevoked(renewed), .accepted, [.superseded, .revoked]),
        (.deauthenticated(renewed), .accepted, [.superseded, .deauthenticated]),
        (
          .failed(.init(userID: "u3", referenceID: "person-1"), reason: "access_denied"), .accepted,
          [.superseded, .deauthenticated]
        ),
      ]
      for (number, (event, disposition, statuses)) in story.enumerated() {
        // A second apart, as whole seconds order them.
        let webhook = SignedWebhook(
          event, generation: generation, secret: trial.signingSecret,
          at: Date(timeIntervalSinceNow: Double(number - story.count)))
        let answer = try await trial.registry.webhooks.receive(
          tenant: "acme", headers: webhook.headers, body: webhook.body)
        #expect(answer.disposition == disposition, "\(event)")
        let mine = try await trial.registry.connections.list(tenant: "acme", referenceID: "person-1")
        #expect(mine.map(\.status) == statuses, "\(event)")
      }
      let forged = SignedWebhook(.deauthenticated(renewed), secret: "another secret")
      let refused = try await trial.registry.webhooks.receive(
        tenant: "acme", headers: forged.headers, body: forged.body)
      #expect(refused.disposition == .rejected)
    }
  }

  @Test("has a clock that a test moves")
  func clock() async throws {
    let clock = SteppedClock()
    let began = clock.now()
    let waiting = Task { try await clock.wait(seconds: 3_600) }
    let cancelled = Task { try await clock.wait(seconds: 3_600) }
    while clock.waitingCount < 2 { await Task.yield() }
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    clock.advance(seconds: 1_800)
    #expect(clock.waitingCount == 1)
    clock.advance(seconds: 1_800)
    try await waiting.value
    #expect(clock.now().timeIntervalSince(began) == 3_600)
    try await clock.wait(seconds: 0)
  }
}
