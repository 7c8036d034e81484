import Foundation

/// Where the account of one world is written for the oracle.
struct SimulationDirectory: Sendable {
  /// The directory.
  let path: String

  /// Makes the directory.
  ///
  /// - Parameters:
  ///   - parent: where.
  ///   - seed: the world's seed.
  /// - Throws: `CocoaError`.
  init(in parent: String, seed: UInt64) throws {
    path = "\(parent)/seed-\(seed)"
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }

  /// What happened at Terra.
  var ledger: String { path + "/ledger.ndjson" }
  /// What the registry said at each moment.
  var story: String { path + "/story.json" }
  /// What the oracle answered.
  var comparison: String { path + "/comparison.json" }
  /// What the oracle had to say otherwise.
  var log: String { path + "/oracle.log" }

  /// Removes everything.
  func remove() { try? FileManager.default.removeItem(atPath: path) }
}
