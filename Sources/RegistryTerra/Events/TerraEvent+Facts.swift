public import RegistryModel

extension TerraEvent {
  /// What the event contributes to connections.
  ///
  /// A `user_reauth` supersedes the old connection and is an authentication of the new one; each of the two joins only
  /// the values that its own description carries, except that the new one takes over the old one's `reference_id` where
  /// it has none. A failure that names no connection, a notice, and an event of an unknown type contribute nothing.
  ///
  /// - Parameters:
  ///   - instant: the event's instant (``RegistryModel/Instant/ofSignedEvent(t:orderingTimestampMilliseconds:)``).
  ///   - factID: the id of the event, or of the delivery that repeats it.
  /// - Returns: none, one or two facts, in the order of the bytes of their `user_id`.
  public func facts(at instant: Instant, factID: String) -> [ConnectionFact] {
    guard let connection else { return [] }
    let evidence: Evidence
    switch kind {
    case .authSuccess, .userReauth: evidence = .auth
    case .authFailure: evidence = .failure
    case .deauthentication: evidence = .deauthenticated
    case .accessRevoked: evidence = .revoked
    case .connectionError: evidence = .connectionError
    case .permissionChange: evidence = .permissionChange
    case .data where EventCatalogue.bringsData(type: type): evidence = .data
    case .data, .unknownAuthLike: return []
    }
    let attributes = ConnectionAttributes(
      referenceID: referenceID, resource: resource?.rawValue, scopes: connection.scopes)
    let own = ConnectionFact(
      userID: connection.userID, evidence: evidence, at: instant, factID: factID, attributes: attributes)
    guard let oldConnection else { return [own] }
    let old = ConnectionFact(
      userID: oldConnection.userID, evidence: .superseded(by: connection.userID), at: instant, factID: factID,
      attributes: oldConnection.attributes)
    // One order for all writers, so that two of them cannot wait for each other's row locks.
    return connection.userID.utf8.lexicographicallyPrecedes(oldConnection.userID.utf8) ? [own, old] : [old, own]
  }
}
