/// Those who travel in one batch, gathered one after the other from the head of the queue.
struct LaneCompany {
  typealias Caller = LaneCaller

  /// What of a block of 8 KiB is left beside BEGIN, COMMIT and the sync. libpq sends each full block at once
  /// (fe-misc.c, pqPutMsgEnd): the server wakes, takes the processor from the sender of the rest, and waits for it.
  static let blockBytes = 8192 - 160

  /// So many reads go no larger than a block; fewer would pay more for their sync than the wait costs. Those who write
  /// share the wait for the disk, and are the better off the more they are.
  static let crowd = 80

  private let limits: LaneStateMachine.Limits
  private(set) var callers: [Caller] = []
  private var statements = 0
  private var bytes = 0
  private var messageBytes = 0
  private var onlyReads = true
  /// Whose settings have been counted: callers of one key will follow each other, and their settings travel once.
  private var keys: Set<[UInt8]> = []

  /// - Parameters:
  ///   - limits: the lane's.
  ///   - capacity: how many may come at most.
  init(_ limits: LaneStateMachine.Limits, capacity: Int) {
    self.limits = limits
    callers.reserveCapacity(capacity)
  }

  /// Takes a caller in where it may share a transaction with those who are here; the first always may, however large.
  /// - Returns: whether it was taken in.
  mutating func admit(_ caller: Caller) -> Bool {
    let length = caller.demand.messageBytes + (setsAnew(caller) ? caller.demand.settingBytes : 0)
    if let first = callers.first {
      guard caller.demand.isolation == first.demand.isolation, caller.demand.order != .alone,
        statements + caller.demand.statements <= limits.batchStatements,
        bytes + caller.demand.bytes <= limits.batchBytes
      else { return false }
      if onlyReads, caller.onlyReads, callers.count >= Self.crowd, messageBytes <= Self.blockBytes,
        messageBytes + length > Self.blockBytes
      {
        return false
      }
    }
    statements += caller.demand.statements
    bytes += caller.demand.bytes
    messageBytes += length
    onlyReads = onlyReads && caller.onlyReads
    if caller.demand.settingBytes > 0, case .by(let key) = caller.demand.order,
      caller.demand.order != callers.last?.demand.order
    {
      keys.insert(key)
    }
    callers.append(caller)
    return true
  }

  /// Whether the settings are none that a caller of the same key brings.
  private func setsAnew(_ caller: Caller) -> Bool {
    guard caller.demand.settingBytes > 0, case .by(let key) = caller.demand.order else { return true }
    return caller.demand.order != callers.last?.demand.order && !keys.contains(key)
  }

  /// Whether nobody else may join: the one who is here locks several contended rows.
  var isClosed: Bool { callers.last?.demand.order == .alone }

  /// The callers in the order in which they say they lock.
  var inOrder: [Caller] {
    func key(_ caller: Caller) -> [UInt8] {
      if case .by(let key) = caller.demand.order { key } else { [] }
    }
    // Mostly they are in order already, such as the reads of one tenant.
    let isInOrder = zip(callers, callers.dropFirst()).allSatisfy { left, right in
      left.demand.order == right.demand.order && left.id < right.id
    }
    if isInOrder { return callers }
    return callers.sorted {
      let (left, right) = (key($0), key($1))
      return left == right ? $0.id < $1.id : left.lexicographicallyPrecedes(right)
    }
  }
}
