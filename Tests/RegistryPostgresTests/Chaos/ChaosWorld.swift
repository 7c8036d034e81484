import Foundation
import Logging
import TestDatabase

@testable import RegistryPostgres

/// Pools and lanes behind one proxy, used by one schedule after the other.
final class ChaosWorld: Sendable {
  /// What a caller speaks with.
  enum Place: Sendable {
    case pool(PostgresPool)
    case lane(PostgresLane)
  }

  static let tables =
    Conversation.tables + "; CREATE TABLE hot (world int, key int, n bigint NOT NULL, PRIMARY KEY (world, key))"

  let number: Int
  let proxy: FaultProxy
  /// Reaches the server without the proxy.
  let control: PostgresPool
  let places: [Place]
  let ledger = Ledger()
  let tally = HotTally()
  private let runs: [Task<Void, any Error>]

  var applicationName: String { "chaos-\(number)" }
  /// How many connections the places have together when all are open.
  static let maximumConnections = 1 + 3 + 2 + 1 + 2 + 1

  init(number: Int, control: PostgresPool) throws {
    self.number = number
    self.control = control
    proxy = try FaultProxy(to: TestDatabase.current)
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let string = proxy.connectionString(.tcp)
    let name = "chaos-\(number)"
    // Faults end with their schedule; what waits for time alone would make a busy machine look like a fault.
    let grace = Duration.seconds(10)
    let patience = Duration.seconds(60)
    func pool(_ connections: Int, prepares: Bool = true, lifetime: Duration = .seconds(3600)) -> PostgresPool {
      var configuration = PostgresPool.Configuration(string)
      configuration.applicationName = name
      configuration.maximumConnections = connections
      configuration.cancelGrace = grace
      configuration.connectTimeout = patience
      configuration.outageTolerance = patience
      configuration.defaultTimeout = patience * 2
      configuration.preparesStatements = prepares
      configuration.maximumPreparedStatements = 2
      configuration.maximumLifetime = lifetime
      return PostgresPool(configuration: configuration, logger: logger)
    }
    func lane(_ connections: Int, prepares: Bool = true) -> PostgresLane {
      var configuration = PostgresLane.Configuration(string)
      configuration.applicationName = name
      configuration.connections = connections
      configuration.cancelGrace = grace
      configuration.connectTimeout = patience
      configuration.outageTolerance = patience
      configuration.defaultTimeout = patience * 2
      configuration.preparesStatements = prepares
      configuration.maximumPreparedStatements = 2
      return PostgresLane(configuration: configuration, logger: logger)
    }
    places = [
      .pool(pool(1)), .pool(pool(3)), .pool(pool(2, prepares: false, lifetime: .milliseconds(200))),
      .lane(lane(1)), .lane(lane(2)), .lane(lane(1, prepares: false)),
    ]
    runs = places.map { place in
      Task {
        switch place {
        case .pool(let pool): try await pool.run()
        case .lane(let lane): try await lane.run()
        }
      }
    }
  }

  /// Runs a schedule to its end.
  /// - Returns: one line for each thing that was not as it has to be.
  func run(_ schedule: ChaosSchedule) async throws -> [String] {
    let harming = Task { await harm(schedule) }
    let strange = await withTaskGroup(of: String?.self) { group in
      for operation in schedule.operations {
        group.addTask { await self.perform(operation, in: schedule) }
      }
      return await group.reduce(into: [String]()) { if let line = $1 { $0.append(line) } }
    }
    await harming.value
    await proxy.settle()
    return try await strange + ledger.lies(control)
  }

  /// Closes all places and looks for what was left behind.
  func close() async throws -> [String] {
    var strange: [String] = []
    let open = try await connections()
    if open > Self.maximumConnections { strange.append("\(open) connections are open") }
    let stuck = try await control.execute(
      "SELECT FROM pg_stat_activity WHERE application_name = $1 AND state LIKE 'idle in transaction%'",
      [.text(applicationName)]
    ).count
    if stuck > 0 { strange.append("\(stuck) connections at rest stand in a transaction") }
    let sockets = proxy.socketsOfDriver()
    if sockets > 2 * Self.maximumConnections { strange.append("\(sockets) sockets for \(open) connections") }
    for place in places {
      switch place {
      case .pool(let pool): pool.shutDown()
      case .lane(let lane): lane.shutDown()
      }
    }
    for run in runs { try await run.value }
    await proxy.empty()
    let left = proxy.socketsOfDriver()
    if left > 0 { strange.append("\(left) sockets were left open") }
    proxy.stop()
    let processes = try await connections()
    if processes > 0 { strange.append("\(processes) server processes were left behind") }
    let rows = try await control.execute("SELECT key, n FROM hot WHERE world = $1", [.int(number)]).rows
    let counts = try rows.reduce(into: [Int: Int]()) {
      $0[try $1.decode("key", as: Int.self)] = try $1.decode("n", as: Int.self)
    }
    return strange + tally.lies(counts)
  }

  private func connections() async throws -> Int {
    try await control.execute(
      "SELECT FROM pg_stat_activity WHERE application_name = $1", [.text(applicationName)]
    ).count
  }

  /// Does the harms in their order, then takes back what still stands.
  private func harm(_ schedule: ChaosSchedule) async {
    for (roundTrips, harm) in schedule.harms {
      await wait(roundTrips)
      switch harm {
      // Waited for: a process that ends after the schedule would be the next one's riddle.
      case .terminate(let number): await signal("pg_terminate_backend(pid, 1000)", number)
      case .cancelBackend(let number): await signal("pg_cancel_backend(pid)", number)
      case .cut(let link, let fault): await proxy.ask { $0.plan(fault, onLink: link) }
      case .hold(let link, let direction, let roundTrips):
        await proxy.ask { $0.setFlow(.held, direction, onLink: link) }
        await wait(roundTrips)
        await proxy.ask { $0.setFlow(.through, direction, onLink: link) }
      case .split(let link, let direction, let flow):
        await proxy.ask { $0.setFlow(flow, direction, onLink: link) }
      case .refuseClients(let roundTrips):
        await proxy.ask { $0.refusesClients = true }
        await wait(roundTrips)
        await proxy.ask { $0.refusesClients = false }
      case .dropCancelRequests: await proxy.ask { $0.dropsCancelRequests = true }
      case .holdCancelRequests(let roundTrips):
        await proxy.ask { $0.holdsCancelRequests = true }
        await wait(roundTrips)
        await proxy.ask { $0.holdsCancelRequests = false }
      }
    }
    guard !schedule.harms.isEmpty else { return }
    await wait(8)
    // Whoever waits at a silent link has no deadline of its own.
    await proxy.ask { $0.endFaults() }
  }

  private func wait(_ roundTrips: Int) async {
    for _ in 0..<roundTrips { _ = try? await control.execute(PostgresStatement(name: "one", "SELECT 1")) }
  }

  private func signal(_ call: String, _ number: Int) async {
    _ = try? await control.execute(
      PostgresStatement(
        name: call,
        """
        SELECT \(call) FROM (
          SELECT pid, row_number() OVER (ORDER BY pid) - 1 AS place, count(*) OVER () AS n
          FROM pg_stat_activity WHERE application_name = $1) AS backend
        WHERE place = $2::int % n
        """, [.text(applicationName), .int(number)]))
  }
}
