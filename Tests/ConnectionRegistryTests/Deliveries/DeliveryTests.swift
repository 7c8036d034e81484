@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryModel
import TestDatabase
import TestReceiver
import Testing

/// Changes reach endpoints, over real HTTP, signed, in order, and again until they are taken.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct DeliveryTests {
  @Test func aChangeReachesEveryEndpointThatWantsIt() async throws {
    try await Receiver.with { receiver in
      try await withStage(.delivering()) { stage in
        let all = try await stage.addEndpoint(receiver, path: "/all")
        _ = try await stage.addEndpoint(receiver, statuses: [.deauthenticated], path: "/ended")
        try await stage.deliver(Payload.auth("user-1"))
        try await stage.deliver(Payload.deauth("user-1"))
        await receiver.wait(taken: 3)
        let requests = receiver.taken
        #expect(requests.filter { $0.target.hasSuffix("/all") }.count == 2)
        let ended = try DeliveredChange(#require(requests.first { $0.target.hasSuffix("/ended") }))
        #expect(ended.type == "connection.deauthenticated" && ended.data.change.sequence == 2)

        let first = try #require(requests.first { $0.target.hasSuffix("/all") })
        let told = try DeliveredChange(first)
        #expect(told.type == "connection.active" && told.timestamp == told.data.change.recordedAt)
        let shown = try await stage.registry.connections.show(tenant: "acme", "user-1")
        #expect(told.data.change == shown.changes.last)
        #expect(told.data.connection.status == .active && told.data.connection.createdAt == shown.connection.createdAt)
        // What the last delivery says of the connection is what the API says, member for member.
        #expect(ended.data.connection == shown.connection)

        let id = try #require(UUID(uuidString: first.id))
        let timestamp = try #require(Int64(first.headers["webhook-timestamp"] ?? ""))
        #expect(abs(Double(timestamp) - Date().timeIntervalSince1970) < 60)
        let secret = try #require(EndpointSecret(all.secret))
        #expect(
          first.headers["webhook-signature"] == secret.signature(id: first.id, timestamp: timestamp, body: first.body))
        #expect(first.headers["content-type"] == "application/json")
        #expect(first.headers["user-agent"] == "connection-registry")
        try await stage.settleDeliveries()
        let stored = try await stage.registry.deliveries.show(tenant: "acme", id)
        #expect(stored.body == first.body && stored.delivery.state == .delivered && stored.delivery.attempts == 1)
        #expect(stored.delivery.lastStatus == 200 && stored.delivery.endpointID == all.endpoint.endpointID)
      }
    }
  }

  /// The API names the same way to connect again as the delivery does, which is made by SQL.
  @Test func aDeliverySaysHowToConnectAgainAsTheAPIDoes() async throws {
    try await Receiver.with { receiver in
      try await withStage(.delivering()) { stage in
        _ = try await stage.addEndpoint(receiver, statuses: [.revoked])
        let resources = Resource.onPhonesOnly.sorted() + ["FITBIT", "GARMIN", "UNHEARD_OF"]
        for resource in resources {
          try await stage.deliver(Payload.auth(resource, resource: resource))
          try await stage.deliver(Payload.event("access_revoked", user: resource, resource: resource))
        }
        await receiver.wait(taken: resources.count)
        let told = try receiver.taken.map { try DeliveredChange($0).data.connection }
        for connection in told {
          let shown = try await stage.registry.connections.show(tenant: "acme", connection.userID).connection
          #expect(connection == shown && connection.reconnect != nil)
        }
        #expect(Set(told.map(\.userID)) == Set(resources))
      }
    }
  }

  /// Sessions' ids, events, data: whatever makes a transition makes a delivery, and a duplicate makes none.
  @Test func everyTransitionIsDeliveredOnce() async throws {
    try await Receiver.with { receiver in
      try await withStage(.delivering()) { stage in
        _ = try await stage.addEndpoint(receiver)
        let session = try await stage.open("FITBIT")
        let user = try #require(session.session.userID)
        let success = Delivery(Payload.auth(user), ordering: true)
        try await stage.deliver(success)
        try await stage.expect(success, .duplicate)
        try await stage.deliver(Payload.event("connection_error", status: "error", user: user))
        try await stage.expect(Delivery(Payload.data(user), at: 120), .data)
        try await stage.deliver(Payload.reauth(from: user, to: "user-2"))
        await receiver.wait(taken: 6)
        try await stage.settleDeliveries()
        let changes = try receiver.taken.map { try DeliveredChange($0).data.change }
        #expect(
          changes.filter { $0.userID == user }.map(\.toStatus) == [.pending, .active, .degraded, .active, .superseded])
        #expect(changes.filter { $0.userID == "user-2" }.map(\.toStatus) == [.active])
        let recorded = try await stage.count("connection_change")
        #expect(receiver.requests.count == recorded)
      }
    }
  }

  @Test func aChangeWaitsForTheOneBeforeAndForNobodyElse() async throws {
    let refusing = NIOLockedValueBox(true)
    try await Receiver.with { request in
      request.body.contains("user-1") && refusing.withLockedValue { $0 } ? .answer(500) : .answer(200)
    } _: { receiver in
      try await withStage(.delivering()) { stage in
        _ = try await stage.addEndpoint(receiver)
        try await stage.change("user-1", 3)
        try await stage.change("user-2", 3)
        await receiver.wait { $0.count { $0.body.contains("user-2") } == 3 }
        await receiver.wait { $0.count { $0.body.contains("user-1") } >= 3 }
        #expect(try sequences(receiver.requests)["user-1"] == [1], "a change went before the one that waits")
        refusing.withLockedValue { $0 = false }
        try await stage.settleDeliveries()
        #expect(try sequences(receiver.taken) == ["user-1": [1, 2, 3], "user-2": [1, 2, 3]])
      }
    }
  }

  @Test func aHangingConnectionHoldsUpNoOther() async throws {
    let settings = DeliveryConfiguration.forTests {
      $0.deadline = .seconds(20)
      $0.lease = .seconds(60)
    }
    try await Receiver.with {
      $0.body.contains("user-1") ? .hang : .answer(200)
    } _: { receiver in
      try await withStage(.delivering(settings)) { stage in
        _ = try await stage.addEndpoint(receiver)
        try await stage.change("user-1", 1)
        await receiver.wait { $0.count == 1 }
        try await stage.change("user-2", 5)
        await receiver.wait(taken: 5)
        #expect(try sequences(receiver.taken) == ["user-2": [1, 2, 3, 4, 5]])
      }
    }
  }

  @Test(arguments: [
    (Receiver.Behaviour.answer(302, headers: ["Location: /elsewhere"]), "status"), (.answer(404), "status"),
    (.hang, "timed_out"), (.trickle, "timed_out"), (.garbage, "not_http"), (.close, "connection_lost"),
  ])
  func whatIsNotASuccessIsTriedAgain(behaviour: Receiver.Behaviour, reason: String) async throws {
    let clock = MovedClock()
    let settings = DeliveryConfiguration.forTests(clock: clock) {
      $0.firstRetry = .seconds(600)
      $0.deadline = .milliseconds(500)
    }
    let isFirst = NIOLockedValueBox(true)
    try await Receiver.with { _ in
      isFirst.withLockedValue { value in
        defer { value = false }
        return value
      } ? behaviour : .answer(204)
    } _: { receiver in
      try await withStage(.delivering(settings)) { stage in
        _ = try await stage.addEndpoint(receiver)
        try await stage.change("user-1", 1)
        try await stage.waitForAttempts("delivery WHERE attempts = 1")
        let failed = try await stage.registry.deliveries.list(tenant: "acme").items[0]
        #expect(failed.state == .pending && failed.lastError == reason)
        #expect(try #require(failed.nextAttemptAt) > clock.now.addingTimeInterval(400))
        #expect(receiver.requests.count == 1, "a redirect was followed, or the pause was not kept")
        clock.move(seconds: 800)
        try await stage.settleDeliveries()
        let requests = receiver.requests
        #expect(requests.count == 2 && requests[0].id == requests[1].id && requests[0].body == requests[1].body)
        #expect(requests[0].headers["webhook-timestamp"] != requests[1].headers["webhook-timestamp"])
        let endpoint = try await stage.registry.endpoints.list(tenant: "acme").items[0]
        #expect(endpoint.failingSince == nil && endpoint.lastSuccessAt != nil)
      }
    }
  }

  @Test func anEndpointThatIsNotThereIsTriedAgain() async throws {
    let port = try await Receiver.with { receiver in receiver.port }
    try await withStage(.delivering()) { stage in
      _ = try await stage.registry.endpoints.add(tenant: "acme", NewEndpoint(url: "http://127.0.0.1:\(port)/"))
      try await stage.change("user-1", 1)
      try await stage.waitForAttempts("delivery WHERE attempts >= 2")
      let delivery = try await stage.registry.deliveries.list(tenant: "acme").items[0]
      #expect(delivery.lastError == "unreachable" && delivery.lastStatus == nil)
    }
  }

  @Test func leavesAnEndpointAloneForAsLongAsItAsks() async throws {
    let clock = MovedClock()
    let busy = NIOLockedValueBox(true)
    try await Receiver.with { _ in
      busy.withLockedValue { $0 } ? .answer(429, headers: ["Retry-After: 300"]) : .answer(200)
    } _: { receiver in
      try await withStage(.delivering(.forTests(clock: clock))) { stage in
        _ = try await stage.addEndpoint(receiver)
        try await stage.change("user-1", 1)
        try await stage.waitForAttempts("endpoint WHERE paused_until IS NOT NULL")
        try await stage.change("user-2", 1)
        busy.withLockedValue { $0 = false }
        clock.move(seconds: 250)
        let before = receiver.requests.count
        // Another tenant's life would go on; here nothing is due, however often is looked.
        #expect(try await stage.count("delivery WHERE state = 'pending'") == 2)
        #expect(before == 1)
        clock.move(seconds: 100)
        try await stage.settleDeliveries()
        #expect(receiver.requests.count == 3)
      }
    }
  }

  @Test func givesUpAfterThreeDaysAndGoesOn() async throws {
    let clock = MovedClock()
    let settings = DeliveryConfiguration.forTests(clock: clock) {
      $0.firstRetry = .seconds(3_600)
    }
    try await Receiver.with {
      $0.body.contains(#""sequence": 1"#) ? .answer(500) : .answer(200)
    } _: { receiver in
      try await withStage(.delivering(settings)) { stage in
        _ = try await stage.addEndpoint(receiver)
        try await stage.change("user-1", 2)
        for attempts in 1...5 {
          try await stage.waitForAttempts("delivery WHERE attempts = \(attempts)")
          clock.move(seconds: 86_400)
        }
        await receiver.wait(taken: 1)
        try await stage.settleDeliveries()
        let deliveries = try await stage.registry.deliveries.list(tenant: "acme").items
        #expect(deliveries.map(\.state).sorted { $0.rawValue < $1.rawValue } == [.delivered, .failed])
        #expect(try DeliveredChange(receiver.taken[0]).data.change.sequence == 2, "the receiver sees the gap")
        let failed = try #require(deliveries.first { $0.state == .failed })
        #expect(failed.nextAttemptAt == nil && failed.settledAt != nil)
      }
    }
  }
}
