/// What an erasure took out, in numbers; of one that was gone on with, what it took out since.
public struct Erasure: Sendable, Hashable, Codable {
  /// How many app users: the one that was named, and those who were merged into it.
  public var appUsers = 0
  /// How many connections, with their changes, corrections and tags.
  public var connections = 0
  /// How many sessions.
  public var sessions = 0
  /// How many events, with their bodies.
  public var events = 0
  /// How many receipts, with what was kept of their bodies.
  public var receipts = 0
  /// How many callbacks.
  public var callbacks = 0
  /// How many findings, those for operators included.
  public var findings = 0
  /// How many deliveries, sent or waiting.
  public var deliveries = 0
  /// How many answers that were kept for repeated requests.
  public var keptAnswers = 0
  /// How many receipts were left that are no JSON and hold one of the names in some way.
  public var leftReceipts = 0
  /// How many kept answers were left that no master key at hand opens; they go with their day.
  public var leftAnswers = 0
}
