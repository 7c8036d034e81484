@testable import ConnectionRegistry
import Foundation
import Logging
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
import RegistrySQL
import TestDatabase
import TestReceiver
import Testing

/// What becomes of changes while their endpoint is disabled, and who hears that it is.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct DisabledEndpointTests {
  @Test(arguments: Endpoint.DisabledReason.allCases)
  func changesOfTheMeantimeWaitAndGoOutInOrder(_ reason: Endpoint.DisabledReason) async throws {
    try await Receiver.with { receiver in
      try await withStage(.delivering()) { stage in
        let id = try await stage.addEndpoint(receiver).endpoint.endpointID
        try await stage.change("user-1", 1)
        try await stage.settleDeliveries()
        _ = try await stage.registry.endpoints.disable(tenant: "acme", id)
        try await stage.owner.execute("UPDATE registry.endpoint SET disabled_reason = $1", [.text(reason.rawValue)])
        try await stage.change("user-1", 3, from: 1)
        try await stage.change("user-2", 2)
        #expect(try await stage.count("delivery WHERE state = 'pending'") == 5)
        // Whoever looks for work does not see them, so they take nobody's place.
        let due = try await stage.registry.database.runAcrossTenants([
          RegistryStatements.deliveryDue(.timestamp(Date().addingTimeInterval(60)), .int(10))
        ])
        #expect(due[0].rows.isEmpty)
        #expect(receiver.taken.count == 1)
        _ = try await stage.registry.endpoints.enable(tenant: "acme", id)
        await receiver.wait(taken: 6)
        #expect(try sequences(receiver.taken) == ["user-1": [1, 2, 3, 4], "user-2": [1, 2]])
      }
    }
  }

  @Test func whatHasWaitedLongForADisabledEndpointIsRemovedAndReplayBringsItBack() async throws {
    let clock = MovedClock()
    try await Receiver.with { receiver in
      try await withStage(.delivering(.forTests(clock: clock))) { stage in
        let cleaner = DeliveryCleaner(
          database: stage.registry.database, settings: stage.configuration.deliveries, logger: stage.registry.logger)
        let id = try await stage.addEndpoint(receiver).endpoint.endpointID
        _ = try await stage.registry.endpoints.disable(tenant: "acme", id)
        try await stage.change("user-1", 3)
        clock.move(seconds: 29 * 86_400)
        #expect(try await cleaner.clean() == 0)
        clock.move(seconds: 2 * 86_400)
        #expect(try await cleaner.clean() == 3)
        #expect(try await stage.count("delivery") == 0)
        _ = try await stage.registry.endpoints.enable(tenant: "acme", id)
        _ = try await stage.registry.deliveries.replay(tenant: "acme", endpoint: id, DeliveryReplay())
        await receiver.wait(taken: 3)
        #expect(try sequences(receiver.taken) == ["user-1": [1, 2, 3]])
      }
    }
  }

  /// There is nobody else to tell, so the log does.
  @Test func theLogWarnsOfASoleEndpointThatIsDisabled() async throws {
    try await Receiver.with { _ in
      .answer(410)
    } _: { receiver in
      try await withStage(.delivering(.forTests { $0.areSent = false })) { stage in
        let id = try await stage.addEndpoint(receiver).endpoint.endpointID
        try await stage.change("user-1", 1)
        let heard = NIOLockedValueBox<[String]>([])
        var sending = stage.configuration
        sending.deliveries = .forTests()
        let replica = ConnectionRegistry(
          configuration: sending, logger: Logger(label: "test") { _ in HeardLog(warnings: heard) })
        let run = Task { try await replica.run() }
        while !heard.withLockedValue({ $0.contains { $0.contains("an endpoint was disabled") } }) { await Task.yield() }
        run.cancel()
        _ = await run.result
        let warning = try #require(heard.withLockedValue { $0 }.first { $0.contains("an endpoint was disabled") })
        #expect(warning.contains(id.text) && warning.contains("gone"))
        #expect(!warning.contains(receiver.url))
        let listed = try #require(try await stage.registry.endpoints.list(tenant: "acme").items.first)
        #expect(listed.disabledReason == .gone && listed.disabledAt != nil)
        #expect(try await stage.count("delivery WHERE type = 'endpoint.disabled'") == 0)
      }
    }
  }
}

/// A log whose warnings a test reads.
private struct HeardLog: LogHandler {
  let warnings: NIOLockedValueBox<[String]>
  var logLevel = Logger.Level.warning
  var metadata: Logger.Metadata = [:]

  init(warnings: NIOLockedValueBox<[String]>) {
    self.warnings = warnings
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let members = (event.metadata ?? [:]).map { "\($0)=\($1)" }.sorted()
    warnings.withLockedValue { $0.append(([event.message.description] + members).joined(separator: " ")) }
  }
}
