@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
import TestDatabase
import TestReceiver
import Testing

/// A clock that a test moves.
final class MovedClock: Sendable {
  private let offset = NIOLockedValueBox<TimeInterval>(0)

  var now: Date { Date().addingTimeInterval(offset.withLockedValue { $0 }) }

  func move(seconds: TimeInterval) {
    offset.withLockedValue { $0 += seconds }
  }
}

extension DeliveryConfiguration {
  /// Deliveries that may go to this machine, with short pauses.
  static func forTests(
    clock: MovedClock = MovedClock(), _ change: (inout DeliveryConfiguration) -> Void = { _ in }
  ) -> DeliveryConfiguration {
    var settings = DeliveryConfiguration()
    settings.allowed = (try? DestinationPolicy("127.0.0.1")) ?? settings.allowed
    settings.deadline = .seconds(1)
    settings.firstRetry = .milliseconds(20)
    settings.lease = .seconds(3)
    settings.interval = .milliseconds(100)
    settings.clock = { clock.now }
    let database = TestDatabase.current
    settings.recorded = { DeliveryWatch.shared.tick(database) }
    change(&settings)
    return settings
  }
}

extension StageSettings {
  /// A stage that delivers.
  static func delivering(
    _ settings: DeliveryConfiguration = .forTests(), slugs: [String] = ["acme"], lanes: Int = 2
  ) -> StageSettings {
    var stage = StageSettings()
    stage.slugs = slugs
    stage.environment = "testing"
    stage.deliveries = settings
    stage.lanes = lanes
    return stage
  }
}

/// What a delivery of a change says.
struct DeliveredChange: Decodable, Hashable {
  struct Content: Decodable, Hashable {
    var connection: Connection
    var change: ConnectionChange
  }

  var type: String
  var timestamp: Date
  var data: Content

  init(_ request: Receiver.Request) throws {
    self = try RegistryJSON.decoder().decode(DeliveredChange.self, from: Data(request.body.utf8))
  }
}

extension Stage {
  /// Adds an endpoint at a receiver.
  func addEndpoint(
    _ receiver: Receiver, tenant: String? = nil, statuses: Set<ConnectionStatus>? = nil, path: String = "",
    findings: Set<FindingTransitionType> = []
  ) async throws -> EndpointWithSecret {
    try await registry.endpoints.add(
      tenant: tenant ?? slug,
      NewEndpoint(url: receiver.url + path, description: "tests", statuses: statuses, findingTypes: findings))
  }

  /// Lets a connection change `count` times: connected, then failing and recovering in turn.
  func change(_ userID: String, _ count: Int, tenant: String? = nil, from first: Int = 0) async throws {
    for number in first..<(first + count) {
      let body =
        number % 2 == 0
        ? Payload.auth(userID, scopes: "S\(number)")
        : Payload.event("connection_error", status: "error", user: userID, scopes: "S\(number)")
      var webhook = Delivery(body, trace: "\(userID)-\(number)")
      webhook.ordering = webhook.t * 1_000 + Int64(number % 1_000)
      try await deliver(webhook, tenant: tenant)
    }
  }

  /// Waits until every delivery is settled.
  func settleDeliveries(pending: Int = 0) async throws {
    try await waitForAttempts("delivery WHERE state = 'pending'") { $0 <= pending }
  }

  /// Waits until attempts have left so many rows.
  func waitForAttempts(_ rows: String, until holds: (Int) -> Bool = { $0 > 0 }) async throws {
    let ticks = DeliveryWatch.shared.ticks(TestDatabase.current)
    if holds(try await count(rows)) { return }
    for await _ in ticks where holds(try await count(rows)) { return }
    throw CancellationError()
  }
}

/// What a delivery of a finding says.
struct DeliveredFinding: Decodable, Hashable {
  struct Change: Decodable, Hashable {
    var findingID: UUID
    var sequence: Int64
    var fromStatus: FindingStatus?
    var toStatus: FindingStatus
    var reason: String?
    var recordedAt: Date
  }

  struct Content: Decodable, Hashable {
    var finding: Finding
    var change: Change
  }

  var type: FindingTransitionType
  var timestamp: Date
  var data: Content

  init(body: String) throws {
    self = try RegistryJSON.decoder().decode(DeliveredFinding.self, from: Data(body.utf8))
  }
}

/// What a receiver took of each connection, without repetitions.
func sequences(_ requests: [Receiver.Request]) throws -> [String: [Int64]] {
  var seen: Set<String> = []
  var sequences: [String: [Int64]] = [:]
  for request in requests where seen.insert(request.id).inserted {
    let change = try DeliveredChange(request).data.change
    sequences[change.userID, default: []].append(change.sequence)
  }
  return sequences
}
