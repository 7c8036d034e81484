/// What one fact contributes to one connection.
///
/// A webhook gives none, one or two of these; the writer upserts each and reads nothing before.
public struct ConnectionFact: Sendable, Hashable {
  /// The `user_id` of the connection.
  public let userID: String
  /// The registers to join into the connection's row.
  public let registers: ConnectionRegisters
  /// The order key of the fact, which all its registers carry.
  public let orderKey: OrderKey

  /// - Parameters:
  ///   - userID: the `user_id` of the connection.
  ///   - evidence: what the fact says.
  ///   - instant: when it was so; the instant of `data` is floored to the minute.
  ///   - factID: the id of the fact; left out of the key of `data`, so that one minute's data is one fact.
  ///   - attributes: the values that the fact carries; not used for `data`.
  public init(
    userID: String, evidence: Evidence, at instant: Instant, factID: String, attributes: ConnectionAttributes = .none
  ) {
    self.userID = userID
    if evidence == .data {
      orderKey = OrderKey(instant: instant.flooredToMinute, rank: .data, factID: "")
      registers = ConnectionRegisters(of: .data, key: orderKey)
    } else {
      orderKey = OrderKey(instant: instant, rank: evidence.rank, factID: factID)
      registers = ConnectionRegisters(of: evidence, key: orderKey, attributes: attributes)
    }
  }
}
