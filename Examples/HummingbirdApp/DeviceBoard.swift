import ConnectionRegistry
import Foundation
import ServiceLifecycle

/// The team's own view of all devices, kept in a file: which connections are alive.
actor DeviceBoard {
  private let file: URL
  private var statuses: [String: ConnectionStatus]

  init(file path: String) throws {
    file = URL(filePath: path)
    let data = FileManager.default.fileExists(atPath: path) ? try Data(contentsOf: file) : Data("{}".utf8)
    statuses = try JSONDecoder().decode([String: ConnectionStatus].self, from: data)
  }

  var liveCount: Int { statuses.values.count { $0 == .active || $0 == .degraded } }

  /// Takes a change in; the same one twice does no harm.
  func apply(_ change: Change) throws {
    statuses[change.userID] = change.toStatus
    try JSONEncoder().encode(statuses).write(to: file, options: .atomic)
  }
}

/// Follows the registry for as long as the application runs.
struct DeviceFollower: Service {
  let registry: ConnectionRegistry
  let tenant: String
  let board: DeviceBoard

  func run() async throws {
    for try await change in registry.changes(tenant: tenant, consumer: "device-board") {
      try await board.apply(change.change)
      // Only now: what is not acknowledged comes again after a crash.
      try await change.acknowledge()
    }
  }
}
