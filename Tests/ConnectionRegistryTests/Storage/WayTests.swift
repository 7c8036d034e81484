@testable import ConnectionRegistry
import Configuration
import Foundation
import Logging
import NIOConcurrencyHelpers
import RegistryPostgres
@testable import RegistrySQL
import ServiceLifecycle
import TestDatabase
import Testing

/// Which way a call takes to PostgreSQL, and what a way keeps it from.
@Suite struct WayTests {
  @Test(.migratedDatabase) func aWriteTakenForAReadIsRefusedByTheServer() async throws {
    try await withStage { stage in
      let mistake = NamedStatement(
        name: "mistake", role: .service, isReadOnly: true, isLong: false, isRepeatable: true, parameterCount: 1,
        text: "INSERT INTO registry.app_user (tenant_id, reference_id) VALUES ($1::uuid, 'p')")
      let id = TenantID.of(slug: "acme")
      do {
        _ = try await stage.registry.database.run(id, mistake(.uuid(id)))
        Issue.record("nothing was thrown")
      } catch let error as PostgresError {
        #expect(error.sqlState == .readOnlySQLTransaction)
      }
      #expect(try await stage.count("app_user") == 0)
    }
  }

  @Test(.migratedDatabase) func whatTakesLongHoldsUpNobody() async throws {
    var settings = StageSettings()
    settings.connections = 1
    try await withStage(settings) { stage in
      let key = try await stage.registry.keys.create(tenant: "acme", name: "backend", scopes: [.admin])
      let long = try await stage.owner.withTransaction { gate in
        try await gate.execute("LOCK TABLE registry.finding IN ACCESS EXCLUSIVE MODE")
        // It has the pool's only connection.
        let long = Task { try await stage.registry.findings.list(tenant: "acme") }
        let waiting = "SELECT FROM pg_locks WHERE relation = 'registry.finding'::regclass AND NOT granted"
        while try await stage.owner.execute(waiting).count < 1 { await Task.yield() }
        try await stage.expect(Payload.auth("u1"), .accepted)
        let found = try await stage.registry.connections.list(tenant: "acme", referenceID: "person-1")
        #expect(found.map(\.userID) == ["u1"])
        let grant = try await stage.registry.keys.authenticate(key.secret)
        #expect(grant.tenant == "acme")
        await stage.registry.keys.uses.settle()
        #expect(try await stage.registry.keys.list(tenant: "acme").first?.lastUsedAt != nil)
        return long
      }
      let findings = try await long.value.items
      #expect(findings.isEmpty)
    }
  }

  @Test(.migratedDatabase) func withoutLanesEverythingGoesThroughThePool() async throws {
    try await withStage { stage in
      var alone = stage.configuration
      alone.laneConnections = 0
      let registry = ConnectionRegistry(configuration: alone, logger: stage.registry.logger)
      #expect(registry.database.lanes == nil)
      let run = Task { try await registry.run() }
      let tenant = try await registry.tenants.show("acme")
      #expect(tenant.slug == "acme")
      let readiness = await registry.readiness()
      #expect(readiness.ready)
      run.cancel()
      _ = await run.result
    }
  }

  @Test(.migratedDatabase) func aShutdownWritesWhatWaitsBeforeTheConnectionsClose() async throws {
    try await withStage { stage in
      var other = stage
      other.registry = ConnectionRegistry(configuration: stage.configuration, logger: stage.registry.logger)
      let ending = other
      let group = ServiceGroup(services: [ending.registry], logger: stage.registry.logger)
      let run = Task { try await group.run() }
      var delivery = Delivery(Payload.auth("u1"))
      delivery.secret = "wrong"
      let rejected = delivery
      try await stage.owner.withTransaction { gate in
        try await gate.execute("LOCK TABLE registry.webhook_receipt_count IN SHARE MODE")
        for _ in 0..<5 { try await ending.answer(rejected, settles: false) }
        await group.triggerGracefulShutdown()
        // The writes are refused from now on where the shutdown closes the lanes first.
        while ending.registry.webhooks.rejections.isTaking { await Task.yield() }
      }
      try await run.value
      let kept = try await stage.count("webhook_receipt")
      #expect(kept == 5)
    }
  }

  /// Loses its connection after everything was sent.
  private final class LosingExecutor: PostgresBatchExecutor {
    let calls = NIOLockedValueBox(0)

    func execute(_ batch: PostgresBatch, deadline: ContinuousClock.Instant?) async throws -> [PostgresResult] {
      calls.withLockedValue { $0 += 1 }
      throw PostgresError(.connectionLost, "lost", mayHaveTakenEffect: true)
    }
  }

  @Test func whatCountsIsNotRepeatedWhenItMayHaveBeenCounted() async {
    let (counting, joining) = (LosingExecutor(), LosingExecutor())
    func database(_ executor: LosingExecutor) -> RegistryDatabase {
      RegistryDatabase(service: executor, lanes: nil, worker: executor, logger: Logger(label: "test"))
    }
    let id = UUID()
    await expectError(.databaseUnavailable) {
      _ = try await database(counting).run(
        id, RegistryStatements.webhookReceiptCountRejected(.uuid(id), .text("2026-01-01"), .int(1)))
    }
    await expectError(.databaseUnavailable) {
      _ = try await database(joining).run(
        id, RegistryStatements.appUserInsert(.uuid(id), .textArray(["p"]), .bytesArray([])))
    }
    #expect(counting.calls.withLockedValue { $0 } == 1)
    #expect(joining.calls.withLockedValue { $0 } == RegistryDatabase.maximumTries)
  }

  @Test(arguments: [("0", 0), ("64", 64), (nil, 2), ("65", nil), ("-1", nil), ("two", nil)] as [(String?, Int?)])
  func theNumberOfLanesIsRead(_ text: String?, _ number: Int?) throws {
    var variables = ["REGISTRY_MASTER_KEYS": MasterKeyRing.newKey()]
    variables["REGISTRY_DATABASE_LANES"] = text
    let reader = ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: variables))
      .scoped(to: "registry")
    if let number {
      #expect(try ConnectionRegistry.Configuration(reader: reader).laneConnections == number)
    } else {
      let error = expectError(.invalidRequest) { _ = try ConnectionRegistry.Configuration(reader: reader) }
      #expect(error?.field == "REGISTRY_DATABASE_LANES")
    }
  }
}
