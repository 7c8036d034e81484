@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
import RegistrySQL
import TestDatabase
import TestReceiver
import Testing

/// Thousands of deliveries that wait for an endpoint which comes back: told in slices that they are due, whoever is killed.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct BacklogTests {
  private static let many = 3_000
  private static let slice = 100

  private static func settings(_ change: (inout DeliveryConfiguration) -> Void = { _ in }) -> DeliveryConfiguration {
    .forTests {
      $0.deadline = .seconds(20)
      $0.lease = .seconds(60)
      $0.releasedAtOnce = slice
      change(&$0)
    }
  }

  /// Deliveries that were tried nine times over four days and are to be tried again in eight hours, or were due all along.
  private static func fill(_ stage: Stage, _ endpoint: UUID, count: Int = many) async throws {
    let body = #"{"type":"ping"}"#
    try await stage.owner.execute(
      """
      INSERT INTO registry.delivery (tenant_id, delivery_id, endpoint_id, type, body, attempts, due_since,
        next_attempt_at, created_at, last_attempt_at)
      SELECT e.tenant_id, gen_random_uuid(), e.endpoint_id, 'ping', $2, CASE WHEN n % 3 = 0 THEN 0 ELSE 9 END,
        now() - interval '4 days', CASE WHEN n % 3 = 0 THEN now() - interval '4 days' ELSE now() + interval '8 hours' END,
        now() - interval '4 days', CASE WHEN n % 3 <> 0 THEN now() - interval '1 hour' END
      FROM registry.endpoint e, generate_series(1, $3::bigint) AS n WHERE e.endpoint_id = $1
      """, [.uuid(endpoint), .text(body), .int(count)])
  }

  /// A slice after which its process was killed is no loss: another goes on with the mark.
  @Test func enablingReleasesABacklogInSlicesAndSurvivesAKillBetweenThem() async throws {
    try await Receiver.with { receiver in
      try await withStage(.delivering(Self.settings { $0.areSent = false })) { stage in
        let id = try await stage.addEndpoint(receiver).endpoint.endpointID
        _ = try await stage.registry.endpoints.disable(tenant: "acme", id)
        try await Self.fill(stage, id)
        let began = Date()
        let enabled = try await stage.registry.endpoints.enable(tenant: "acme", id)
        #expect(enabled.disabledAt == nil)
        // Nothing of the backlog is written by whoever enables.
        #expect(try await stage.count("delivery WHERE due_since > now() - interval '1 day'") == 0)
        let marks = try await stage.owner.execute(
          "SELECT backlog_due_at, backlog_resets FROM registry.endpoint WHERE endpoint_id = $1", [.uuid(id)])
        let mark = try #require(marks.rows.first)
        let backlog = EndpointBacklog(
          dueSince: try mark.decode("backlog_due_at"), resets: try mark.decode("backlog_resets"),
          tenantID: TenantID.of(slug: "acme"), endpointID: id)
        #expect(backlog.resets && backlog.dueSince >= began.addingTimeInterval(-1))
        #expect(try await backlog.releaseSlice(of: Self.slice, in: stage.registry.database))
        let told = try await stage.count("delivery WHERE due_since > now() - interval '1 day'")
        #expect((1...2 * Self.slice).contains(told), "\(told) in one slice")

        var sending = stage.configuration
        sending.deliveries.areSent = true
        let replica = ConnectionRegistry(configuration: sending, logger: stage.registry.logger)
        let run = Task { try await replica.run() }
        await receiver.wait(taken: Self.many)
        try await stage.settleDeliveries()
        run.cancel()
        _ = await run.result
        #expect(try await stage.count("delivery WHERE state = 'delivered' AND attempts = 1") == Self.many)
        #expect(try await stage.count("endpoint WHERE backlog_due_at IS NULL AND NOT backlog_resets") == 1)
      }
    }
  }

  /// One that fails again after the release has all its attempts before it: it is not given up for what it was before.
  @Test func anEnabledBacklogHasAllItsAttemptsBeforeIt() async throws {
    try await Receiver.with { _ in
      .answer(500)
    } _: { receiver in
      try await withStage(.delivering(Self.settings { $0.firstRetry = .seconds(600) })) { stage in
        let id = try await stage.addEndpoint(receiver).endpoint.endpointID
        _ = try await stage.registry.endpoints.disable(tenant: "acme", id)
        try await Self.fill(stage, id, count: 30)
        _ = try await stage.registry.endpoints.enable(tenant: "acme", id)
        try await stage.waitForAttempts("delivery WHERE attempts = 1") { $0 == 30 }
        #expect(
          try await stage.count("delivery WHERE state = 'pending' AND due_since > now() - interval '1 hour'") == 30)
      }
    }
  }

  @Test func anEndpointThatAnswersAgainGetsItsBacklogInSlices() async throws {
    try await Receiver.with { receiver in
      try await withStage(.delivering(Self.settings())) { stage in
        let id = try await stage.addEndpoint(receiver).endpoint.endpointID
        try await stage.owner.execute(
          "UPDATE registry.endpoint SET failing_since = now() - interval '1 hour', paused_until = now() + interval '1 hour'"
        )
        try await Self.fill(stage, id)
        try await stage.owner.execute("UPDATE registry.delivery SET next_attempt_at = now() + interval '8 hours'")
        try await stage.owner.execute("UPDATE registry.endpoint SET paused_until = NULL")
        try await stage.change("user-1", 1)
        await receiver.wait(taken: Self.many + 1)
        try await stage.settleDeliveries()
        #expect(try await stage.count("delivery WHERE state = 'delivered'") == Self.many + 1)
        // Those that were tried before keep what they had.
        #expect(try await stage.count("delivery WHERE attempts = 10") == Self.many * 2 / 3)
        #expect(try await stage.count("endpoint WHERE backlog_due_at IS NULL AND failing_since IS NULL") == 1)
      }
    }
  }

  /// A delivery that somebody is writing at the moment is passed by instead of waited for, and told later.
  @Test(arguments: [true, false]) func aSliceWaitsForNobody(isEnabled: Bool) async throws {
    try await Receiver.with { receiver in
      try await withStage(.delivering(Self.settings { $0.areSent = false })) { stage in
        let id = try await stage.addEndpoint(receiver).endpoint.endpointID
        if isEnabled { _ = try await stage.registry.endpoints.disable(tenant: "acme", id) }
        try await Self.fill(stage, id, count: 10)
        if isEnabled {
          _ = try await stage.registry.endpoints.enable(tenant: "acme", id)
        } else {
          try await stage.owner.execute("UPDATE registry.endpoint SET backlog_due_at = now()")
        }
        // As many as were to be tried later, and where all begin anew those that were due all along as well.
        let told = "delivery WHERE next_attempt_at = (SELECT backlog_due_at FROM registry.endpoint)"
        let all = isEnabled ? 10 : 7
        try await stage.owner.withTransaction { transaction in
          try await transaction.execute(
            """
            SELECT FROM registry.delivery
            WHERE delivery_id = (SELECT min(delivery_id::text)::uuid FROM registry.delivery WHERE attempts = 9) FOR UPDATE
            """)
          #expect(await Self.worker(id, stage, stage.registry.database).run() == 0)
          #expect(try await stage.count(told) == all - 1)
          #expect(try await stage.count("endpoint WHERE backlog_due_at IS NOT NULL AND lease_id IS NULL") == 1)
        }
        _ = await Self.worker(id, stage, stage.registry.database).run()
        #expect(try await stage.count("delivery WHERE state = 'delivered'") == 10)
        #expect(try await stage.count("delivery WHERE attempts = 1") == (isEnabled ? 10 : 3))
        #expect(try await stage.count("endpoint WHERE backlog_due_at IS NULL AND NOT backlog_resets") == 1)
      }
    }
  }

  /// What is written while a backlog is told is due by itself: it does not keep the mark.
  @Test func whatComesMeanwhileKeepsNoBacklogOpen() async throws {
    try await Receiver.with { receiver in
      try await withStage(.delivering(Self.settings { $0.areSent = false })) { stage in
        let id = try await stage.addEndpoint(receiver).endpoint.endpointID
        try await Self.fill(stage, id, count: 10)
        try await stage.owner.execute("UPDATE registry.endpoint SET backlog_due_at = now()")
        let executor = stage.interfering(at: "endpoint_released") { try await stage.change("user-1", 1) }
        #expect(await Self.worker(id, stage, stage.database(through: executor)).run() == 11)
        #expect(try await stage.count("endpoint WHERE backlog_due_at IS NULL") == 1)
      }
    }
  }

  @Test func aWorkerThatIsEndedBetweenTwoSlicesStops() async throws {
    try await Receiver.with { receiver in
      try await withStage(.delivering(Self.settings { $0.areSent = false })) { stage in
        for end in [EndpointWorker.end, EndpointWorker.abort] {
          let id = try await stage.addEndpoint(receiver).endpoint.endpointID
          _ = try await stage.registry.endpoints.disable(tenant: "acme", id)
          try await Self.fill(stage, id, count: 5 * Self.slice)
          _ = try await stage.registry.endpoints.enable(tenant: "acme", id)
          let box = NIOLockedValueBox<EndpointWorker?>(nil)
          // The first slice is on its way.
          let executor = stage.interfering(at: "delivery_release") {
            if let worker = box.withLockedValue({ $0 }) { end(worker)() }
          }
          let worker = Self.worker(id, stage, stage.database(through: executor))
          box.withLockedValue { $0 = worker }
          #expect(await worker.run() == 0)
          box.withLockedValue { $0 = nil }
          let told = try await stage.owner.execute(
            """
            SELECT FROM registry.delivery d JOIN registry.endpoint e USING (tenant_id, endpoint_id)
            WHERE e.endpoint_id = $1 AND d.next_attempt_at = e.backlog_due_at
            """, [.uuid(id)]
          ).rows.count
          #expect((1...2 * Self.slice).contains(told), "\(told) in one slice")
          #expect(try await stage.count("endpoint WHERE endpoint_id = '\(id)' AND lease_id IS NULL") == 1)
        }
      }
    }
  }

  /// A worker at an endpoint of the stage's, on a database of its own.
  private static func worker(_ endpointID: UUID, _ stage: Stage, _ database: RegistryDatabase) -> EndpointWorker {
    let settings = stage.configuration.deliveries
    return EndpointWorker(
      tenantID: TenantID.of(slug: "acme"), endpointID: endpointID,
      context: EndpointWorker.Context(
        database: database, keyRing: stage.configuration.masterKeys, settings: settings, resolver: HostResolver(),
        places: .init(DeliveryPlaces(perEndpoint: settings.concurrency)), logger: stage.registry.logger))
  }
}
