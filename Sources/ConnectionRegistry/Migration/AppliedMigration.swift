public import Foundation

/// One row of the migration log: what a database says about a migration that ran on it.
public struct AppliedMigration: Sendable, Hashable {
  /// The migration's number, from 1.
  public let number: Int
  /// Its name when it ran.
  public let name: String
  /// Its checksum when it ran: SHA-256 in lower-case hex.
  public let checksum: String
  /// Whether binaries made before it can no longer work on the schema.
  public let isBreaking: Bool
  /// When its transaction began, by the database's clock.
  public let appliedAt: Date
}
