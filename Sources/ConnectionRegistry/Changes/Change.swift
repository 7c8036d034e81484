public import Foundation
public import RegistryModel

/// One transition of one connection, as the change feed gives it.
public struct Change: Sendable, Codable {
  /// Where the feed stands behind this change; opaque. Whoever continues there gets what comes after it.
  public var cursor: String
  /// The connection's id at Terra.
  public var userID: String
  /// The number of the change within its connection, from 1, without gaps.
  public var sequence: Int64
  /// The status before; nil for the first.
  public var fromStatus: ConnectionStatus?
  /// The status after.
  public var toStatus: ConnectionStatus
  /// The app user's id at the team, as known when the change was read; nil while nobody named it.
  public var referenceID: String?
  /// The provider, as known when the change was read.
  public var resource: String?
  /// `event`, `correction`, `session` or `data`.
  public var causeType: String
  /// The id of the cause.
  public var causeID: String
  /// When it was recorded.
  public var recordedAt: Date
}

/// A part of the change feed.
public struct ChangePage: Sendable, Codable {
  /// The changes, in the feed's order.
  public var items: [Change]
  /// Where to continue: behind the last change, or where the page began when it has none.
  public var cursor: String
  /// How long, in seconds, a change has been waiting for transactions that still write anywhere in the database cluster;
  /// 0 when none waits. Readers take a change once nothing can appear before it any more.
  public var heldSeconds: Double
}

/// Where a reader of the change feed begins.
public enum ChangeStart: Sendable, Hashable {
  /// With the first change that there ever was.
  case beginning
  /// With what comes after the newest change.
  case now
  /// Behind a change: its ``Change/cursor``.
  case after(String)
}

/// A reader of the change feed whose place the registry keeps.
public struct ChangeConsumer: Sendable, Hashable, Codable {
  /// The name that the team gave it.
  public var name: String
  /// When it first read.
  public var createdAt: Date
  /// When it last acknowledged; nil when it never did.
  public var acknowledgedAt: Date?
  /// How many changes it has not acknowledged; counted up to ``Changes/countedWaiting``.
  public var waiting: Int
  /// When the oldest of them was recorded; nil when none waits.
  public var waitingSince: Date?
}
