@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
import TestDatabase
import TestReceiver
import Testing

/// Endpoints: what they are added with, how their secrets change, when they are disabled, what a replay gives them.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct EndpointTests {
  @Test func refusesWhatMayNotBeCalled() async throws {
    var settings = DeliveryConfiguration()
    settings.areSent = false
    try await withStage(.delivering(settings)) { stage in
      for url in ["http://127.0.0.1:9/", "https://localhost/", "https://[::1]/", "https://169.254.169.254/latest"] {
        let error = await expectError(.invalidRequest) {
          _ = try await stage.registry.endpoints.add(tenant: "acme", NewEndpoint(url: url))
        }
        #expect(error?.field == "url" && error?.message.contains("REGISTRY_DELIVERY_ALLOW") == true)
      }
      let stored = try await stage.count("endpoint")
      #expect(stored == 0)
    }
  }

  /// A name that was harmless when the endpoint was added is looked at again when it is called.
  @Test func looksAgainAtEachAttempt() async throws {
    try await Receiver.with { receiver in
      let allowing = DeliveryConfiguration.forTests {
        $0.areSent = false
      }
      try await withStage(.delivering(allowing)) { stage in
        _ = try await stage.addEndpoint(receiver)
        try await stage.change("user-1", 1)
        var strict = stage.configuration
        strict.deliveries = .forTests()
        strict.deliveries.allowed = DestinationPolicy()
        let replica = ConnectionRegistry(configuration: strict, logger: stage.registry.logger)
        let run = Task { try await replica.run() }
        try await stage.waitForAttempts("delivery WHERE last_error = 'address_refused'")
        run.cancel()
        _ = await run.result
        #expect(receiver.requests.isEmpty)
      }
    }
  }

  @Test func signsWithBothSecretsWhileOneIsRotated() async throws {
    let clock = MovedClock()
    try await Receiver.with { receiver in
      try await withStage(.delivering(.forTests(clock: clock))) { stage in
        let first = try await stage.addEndpoint(receiver)
        let id = first.endpoint.endpointID
        let second = try await stage.registry.endpoints.rotateSecret(tenant: "acme", id, overlap: .seconds(3_600))
        #expect(second.secret != first.secret && second.endpoint.previousSecretUntil != nil)
        try await stage.change("user-1", 1)
        await receiver.wait(taken: 1)
        func signatures(_ request: Receiver.Request, _ secrets: [String]) throws -> [String] {
          let timestamp = try #require(Int64(request.headers["webhook-timestamp"] ?? ""))
          return try secrets.map {
            try #require(EndpointSecret($0)).signature(id: request.id, timestamp: timestamp, body: request.body)
          }
        }
        let during = receiver.requests[0]
        let both = try signatures(during, [second.secret, first.secret])
        #expect(during.headers["webhook-signature"] == both.joined(separator: " "))
        clock.move(seconds: 3_700)
        try await stage.settleDeliveries()
        try await stage.change("user-1", 1, from: 1)
        await receiver.wait(taken: 2)
        let after = receiver.requests[1]
        let newer = try signatures(after, [second.secret])
        #expect(after.headers["webhook-signature"] == newer[0])
        let sealed = try await stage.texts("SELECT encode(sealed_secret, 'escape') FROM registry.endpoint")
        #expect(!sealed[0].contains(second.secret))
      }
    }
  }

  /// Five days without a success disable an endpoint, and the tenant's others hear of it.
  @Test func disablesWhatFailsForFiveDays() async throws {
    let clock = MovedClock()
    let settings = DeliveryConfiguration.forTests(clock: clock) {
      $0.firstRetry = .seconds(60)
    }
    try await Receiver.with {
      $0.target.hasSuffix("/dead") ? .answer(500) : .answer(200)
    } _: { receiver in
      try await withStage(.delivering(settings)) { stage in
        let dead = try await stage.addEndpoint(receiver, path: "/dead")
        _ = try await stage.addEndpoint(receiver, path: "/living")
        try await stage.change("user-1", 1)
        try await stage.waitForAttempts("endpoint WHERE failing_since IS NOT NULL")
        try await stage.settleDeliveries(pending: 1)
        clock.move(seconds: 5 * 86_400)
        await receiver.wait { $0.contains { $0.body.contains("endpoint.disabled") } }
        let told = try #require(receiver.requests.last { $0.body.contains("endpoint.disabled") })
        #expect(told.target.hasSuffix("/living"))
        #expect(told.body.contains(dead.endpoint.endpointID.text) && told.body.contains(#""reason": "failing""#))
        let shown = try await stage.registry.endpoints.show(tenant: "acme", dead.endpoint.endpointID)
        #expect(shown.disabledReason == .failing && shown.disabledAt != nil)
        // What waited stays, and what changes now waits too.
        try await stage.change("user-2", 1)
        try await stage.settleDeliveries(pending: 2)
        let waiting = try await stage.registry.deliveries.list(
          tenant: "acme", filter: DeliveryFilter(endpointID: dead.endpoint.endpointID))
        #expect(waiting.items.map(\.userID) == ["user-1", "user-2"])
        await expectError(.endpointDisabled) {
          _ = try await stage.registry.endpoints.ping(tenant: "acme", dead.endpoint.endpointID)
        }
        let enabled = try await stage.registry.endpoints.enable(tenant: "acme", dead.endpoint.endpointID)
        #expect(enabled.disabledAt == nil && enabled.failingSince == nil)
        let before = receiver.requests.count
        await receiver.wait { $0.count > before }
      }
    }
  }

  @Test func disablesWhatIsGone() async throws {
    try await Receiver.with { _ in
      .answer(410)
    } _: { receiver in
      try await withStage(.delivering()) { stage in
        let endpoint = try await stage.addEndpoint(receiver).endpoint
        try await stage.change("user-1", 2)
        try await stage.waitForAttempts("endpoint WHERE disabled_reason = 'gone'")
        let shown = try await stage.registry.endpoints.show(tenant: "acme", endpoint.endpointID)
        #expect(shown.disabledReason == .gone)
        #expect(receiver.requests.count == 1)
      }
    }
  }

  @Test func replaysChangesFromBeforeTheEndpoint() async throws {
    try await Receiver.with { receiver in
      try await withStage(.delivering()) { stage in
        try await stage.change("user-1", 4)
        try await stage.change("user-2", 2)
        let endpoint = try await stage.addEndpoint(receiver).endpoint.endpointID
        #expect(try await stage.count("delivery") == 0)
        let deliveries = stage.registry.deliveries
        let some = try await deliveries.replay(
          tenant: "acme", endpoint: endpoint, DeliveryReplay(userID: "user-1", fromSequence: 2, toSequence: 3))
        #expect(some.changes == 2)
        await receiver.wait(taken: 2)
        #expect(try sequences(receiver.taken) == ["user-1": [2, 3]])
        try await stage.settleDeliveries()
        let all = try await deliveries.replay(tenant: "acme", endpoint: endpoint, DeliveryReplay())
        #expect(all.changes == 6)
        await receiver.wait(taken: 8)
        try await stage.settleDeliveries()
        let again = receiver.taken.filter { request in receiver.taken.filter { $0.id == request.id }.count == 2 }
        #expect(Set(again.map(\.id)).count == 2, "a replayed change has another id than before")
        #expect(Set(again.map(\.body)).count == 2, "a stored delivery got another body")
        // By time: from the third change on, and up to but without the fifth.
        let moments = try await stage.owner.execute(
          "SELECT recorded_at FROM registry.connection_change ORDER BY recorded_at, user_id, sequence"
        ).rows.map { try $0.decode("recorded_at", as: Date.self) }
        let span = try await deliveries.replay(
          tenant: "acme", endpoint: endpoint, DeliveryReplay(since: moments[2], until: moments[4]))
        #expect(span.changes == 2)
        await receiver.wait(taken: 10)
        try await stage.settleDeliveries()
        #expect(Set(try receiver.taken.suffix(2).map { try DeliveredChange($0).data.change.sequence }) == [3, 4])
        let none = try await deliveries.replay(
          tenant: "acme", endpoint: endpoint, DeliveryReplay(since: Date().addingTimeInterval(60)))
        #expect(none.changes == 0)
        await expectError(.invalidRequest) {
          _ = try await deliveries.replay(tenant: "acme", endpoint: endpoint, DeliveryReplay(fromSequence: 1))
        }
        await expectError(.notFound) {
          _ = try await deliveries.replay(tenant: "acme", endpoint: UUID(), DeliveryReplay())
        }
      }
    }
  }

  @Test func sendsAnyDeliveryAgainUnderItsID() async throws {
    try await Receiver.with { receiver in
      try await withStage(.delivering()) { stage in
        let endpoint = try await stage.addEndpoint(receiver).endpoint.endpointID
        let ping = try await stage.registry.endpoints.ping(tenant: "acme", endpoint)
        #expect(ping.type == "ping" && ping.state == .pending)
        await receiver.wait(taken: 1)
        try await stage.settleDeliveries()
        let again = try await stage.registry.deliveries.retry(tenant: "acme", ping.deliveryID)
        #expect(again.state == .pending)
        await receiver.wait(taken: 2)
        #expect(Set(receiver.requests.map(\.id)) == [ping.deliveryID.text])
        await expectError(.notFound) { _ = try await stage.registry.deliveries.retry(tenant: "acme", UUID()) }
      }
    }
  }

  @Test func changesAndRemovesEndpoints() async throws {
    try await Receiver.with { receiver in
      try await withStage(.delivering()) { stage in
        let endpoints = stage.registry.endpoints
        let id = try await stage.addEndpoint(receiver, statuses: [.revoked]).endpoint.endpointID
        let changed = try await endpoints.update(
          tenant: "acme", id, EndpointChanges(url: receiver.url + "/new", statuses: .some(nil)))
        #expect(changed.url.hasSuffix("/new") && changed.statuses == nil && changed.description == "tests")
        try await stage.change("user-1", 1)
        await receiver.wait(taken: 1)
        #expect(receiver.requests[0].target.hasSuffix("/new"))
        #expect(try await endpoints.disable(tenant: "acme", id).disabledReason == .operator)
        try await endpoints.remove(tenant: "acme", id)
        #expect(try await endpoints.list(tenant: "acme").items.isEmpty)
        let left = try await stage.texts(
          "SELECT concat(url, sealed_secret, sealed_previous, description) FROM registry.endpoint")
        #expect(left == [""], "a removed endpoint keeps its secret")
        await expectError(.notFound) { _ = try await endpoints.show(tenant: "acme", id) }
        await expectError(.notFound) { try await endpoints.remove(tenant: "acme", id) }
        try await stage.change("user-2", 1)
        #expect(try await stage.count("delivery WHERE user_id = 'user-2'") == 0)
      }
    }
  }

  @Test func cleansWhatIsOldAndWhatIsRemoved() async throws {
    let clock = MovedClock()
    try await Receiver.with { receiver in
      try await withStage(.delivering(.forTests(clock: clock))) { stage in
        let database = stage.registry.database
        let cleaner = DeliveryCleaner(
          database: database, settings: stage.configuration.deliveries, logger: stage.registry.logger)
        let id = try await stage.addEndpoint(receiver).endpoint.endpointID
        try await stage.change("user-1", 3)
        try await stage.settleDeliveries()
        #expect(try await cleaner.clean() == 0)
        clock.move(seconds: 31 * 86_400)
        #expect(try await cleaner.clean() == 3)
        try await stage.change("user-2", 1)
        // The last change is long delivered and forgotten; a duplicate brings nothing back.
        try await stage.settleDeliveries()
        try await stage.registry.endpoints.remove(tenant: "acme", id)
        #expect(try await cleaner.clean() == 1)
        #expect(try await stage.count("delivery") == 0)
      }
    }
  }
}
