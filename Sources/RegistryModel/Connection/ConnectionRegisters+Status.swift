extension ConnectionRegisters {
  /// The state that these registers show.
  ///
  /// An ending that is later than the latest correction stands, whatever else came after it; only a correction un-ends.
  /// Data is no sign of life, but later data clears `degraded`.
  public var status: ConnectionStatus {
    if outweighsCorrection(superseded?.key) { return .superseded }
    if outweighsCorrection(deauthenticatedKey) { return .deauthenticated }
    if outweighsCorrection(revokedKey) { return .revoked }
    switch correction?.value {
    case .gone: return aliveKey == nil ? .failed : .revoked
    case .alive: return liveStatus
    case nil: break
    }
    if aliveKey != nil { return liveStatus }
    return failedKey == nil ? .pending : .failed
  }

  /// The `user_id` that took this one's place, when it is superseded.
  public var supersededBy: String? {
    status == .superseded ? superseded?.value : nil
  }

  /// When data last arrived, floored to the minute.
  public var lastDataAt: Instant? {
    data?.instant
  }

  private var liveStatus: ConnectionStatus {
    guard let degradedKey else { return .active }
    let isCleared = [authKey, data].contains { key in key.map { $0 >= degradedKey } ?? false }
    return isCleared ? .active : .degraded
  }

  private func outweighsCorrection(_ key: OrderKey?) -> Bool {
    guard let key else { return false }
    guard let correction else { return true }
    return key > correction.key
  }
}
