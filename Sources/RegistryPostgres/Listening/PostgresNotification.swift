/// What one NOTIFY said.
///
/// Source: PostgreSQL documentation, "NOTIFY" and "Asynchronous Operations" (Frontend/Backend Protocol).
public struct PostgresNotification: Sendable, Hashable {
  /// The channel it was sent on, as the server spells it.
  public let channel: String
  /// What was sent with it, up to 8,000 bytes; empty when there was nothing.
  public let payload: String
  /// The server's process that sent it, as `pg_stat_activity.pid` shows it.
  public let processID: Int32

  /// Describes a notification.
  /// - Parameters:
  ///   - channel: the channel it was sent on.
  ///   - payload: what was sent with it.
  ///   - processID: the server's process that sent it.
  public init(channel: String, payload: String, processID: Int32) {
    self.channel = channel
    self.payload = payload
    self.processID = processID
  }
}
