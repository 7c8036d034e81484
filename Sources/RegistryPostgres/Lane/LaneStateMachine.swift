import DequeModule

/// What a lane decides, without sockets, tasks or clocks: events go in, actions come out.
///
/// Callers that come while all connections are busy form the next batch. A batch that fails without effect is run again
/// caller by caller, so that only the one at fault gets an error.
struct LaneStateMachine {
  typealias CallerID = UInt64
  typealias ConnectionID = UInt64
  typealias BatchID = UInt64
  typealias Instant = ContinuousClock.Instant

  /// The lane's limits.
  struct Limits: Sendable {
    var connections: Int
    var maximumWaiting: Int
    var maximumWaitingBytes: Int
    var batchCallers: Int
    var batchStatements: Int
    var batchBytes: Int
    /// How often a caller is run by itself before it gets the error of the last time.
    var maximumAttempts = 3
    /// How long callers wait out a server that cannot be reached.
    var outageTolerance: Duration
    /// Between attempts to connect after a failure: from `first`, doubling, to `last`.
    var backoff: (first: Duration, last: Duration) = (.milliseconds(50), .seconds(2))
  }

  /// What a caller brings.
  struct Demand: Sendable {
    var statements: Int
    var bytes: Int
    /// Only callers of one isolation share a transaction.
    var isolation: PostgresIsolation
    var order = PostgresBatch.Order.any
    var isIdempotent: Bool
    var deadline: Instant
  }

  /// Why a caller gets no answer from the server.
  enum Refusal: Sendable, Equatable {
    case queueFull, timedOut, cancelled, closed
    /// The work has been sent and goes on.
    case timedOutUnderWay, cancelledUnderWay, closedUnderWay
    /// No connection can be made; the shell knows the last error.
    case unreachable
  }

  /// How a batch ended.
  enum Outcome: Sendable, Equatable {
    case committed
    /// The connection was found dead before anything was written.
    case notSent
    /// - Parameters:
    ///   - mayHaveTakenEffect: whether the COMMIT may stand.
    ///   - isTransient: whether the same work may succeed when it is run again.
    case failed(mayHaveTakenEffect: Bool, isTransient: Bool)
  }

  /// What the shell has to do.
  enum Action: Sendable, Equatable {
    case start(ConnectionID, BatchID, [CallerID])
    /// The caller at this position of the batch gets its results.
    case deliver(CallerID, position: Int)
    /// The caller at this position of the batch gets the batch's error.
    case fail(CallerID, position: Int)
    case refuse(CallerID, Refusal)
    /// Nobody waits for this batch any more.
    case abandon(ConnectionID, BatchID)
    case open(ConnectionID)
    case close(ConnectionID)
    /// Call `timePassed` at this instant, in place of the instant asked for before.
    case setAlarm(Instant)
    case finish
  }

  enum Phase: Sendable, Equatable {
    /// `run()` has not been called: callers wait.
    case starting
    case running, draining, finished
  }

  private struct Caller {
    var demand: Demand
    var attempts = 0
    /// The batch it travels in; `nil` while it waits.
    var batch: BatchID?
  }

  private enum Connection: Equatable {
    case opening
    case idle
    case busy(BatchID)
  }

  private struct Batch {
    var connection: ConnectionID
    var callers: [CallerID]
    /// How many of them still wait for their answer.
    var remaining: Int
  }

  private let limits: Limits
  private(set) var phase = Phase.starting
  private var callers: [CallerID: Caller] = [:]
  /// In the order of coming; ids without a waiting entry in `callers` have left.
  private var queue: Deque<CallerID> = []
  /// Those to be run by themselves, before the others.
  private var alone: Deque<CallerID> = []
  private var connections: [ConnectionID: Connection] = [:]
  private var batches: [BatchID: Batch] = [:]
  private(set) var waitingCount = 0
  private var waitingBytes = 0
  private var nextConnection: ConnectionID = 1
  private var nextBatch: BatchID = 1
  private var failures = 0
  private var failingSince: Instant?
  private var openNotBefore: Instant?
  private var alarm: Instant?

  init(limits: Limits) {
    self.limits = limits
  }

  private var hasLivingConnection: Bool { connections.values.contains { $0 != .opening } }

  /// The lane may open its connections.
  mutating func start(now: Instant) -> [Action] {
    guard phase == .starting else { return [] }
    phase = .running
    return openAsNeeded(now: now)
  }

  /// A caller brings work.
  /// - Returns: why it is refused, if it is, and what the shell has to do.
  mutating func submit(_ id: CallerID, _ demand: Demand, now: Instant) -> (Refusal?, [Action]) {
    guard phase == .starting || phase == .running else { return (.closed, []) }
    guard demand.deadline > now else { return (.timedOut, []) }
    guard waitingCount < limits.maximumWaiting,
      waitingCount == 0 || waitingBytes + demand.bytes <= limits.maximumWaitingBytes
    else { return (.queueFull, []) }
    callers[id] = Caller(demand: demand)
    waitingCount += 1
    waitingBytes += demand.bytes
    queue.append(id)
    var actions = startBatches()
    wakeUp(by: demand.deadline, &actions)
    return (nil, actions)
  }

  /// A caller gives up. One that has its answer already is not touched.
  mutating func cancel(_ id: CallerID) -> [Action] {
    leave(id, waiting: .cancelled, underWay: .cancelledUnderWay)
  }

  /// A connection was opened.
  mutating func opened(_ id: ConnectionID, now: Instant) -> [Action] {
    guard connections[id] == .opening else { return [.close(id)] }
    failures = 0
    failingSince = nil
    openNotBefore = nil
    connections[id] = .idle
    return startBatches() + openAsNeeded(now: now) + finishIfEmpty()
  }

  /// A connection could not be opened.
  /// - Parameters:
  ///   - id: the connection.
  ///   - isPermanent: whether waiting cannot help, as with a wrong password.
  ///   - jitter: from 0 to 1, drawn by the shell.
  ///   - now: the present instant.
  /// - Returns: what the shell has to do.
  mutating func openingFailed(_ id: ConnectionID, isPermanent: Bool, jitter: Double, now: Instant) -> [Action] {
    guard connections[id] == .opening else { return [] }
    connections[id] = nil
    guard phase != .finished else { return [] }
    let since = failingSince ?? now
    failingSince = since
    failures += 1
    var delay = limits.backoff.first
    for _ in 1..<min(max(failures, 1), 16) where delay < limits.backoff.last { delay = delay * 2 }
    let next = now + min(delay, limits.backoff.last) * (0.5 + jitter / 2)
    openNotBefore = next
    var actions: [Action] = []
    if !hasLivingConnection, isPermanent || now - since >= limits.outageTolerance {
      for caller in waitingCallers { actions += leave(caller, waiting: .unreachable, underWay: .unreachable) }
    }
    if phase == .running || waitingCount > 0 { wakeUp(by: next, &actions) }
    return actions + finishIfEmpty()
  }

  /// A batch is over.
  /// - Parameters:
  ///   - id: the batch.
  ///   - outcome: how it ended.
  ///   - isReusable: whether its connection is fit for the next one.
  ///   - jitter: from 0 to 1, drawn by the shell, for the pause before a lost connection is replaced.
  ///   - now: the present instant.
  /// - Returns: what the shell has to do, the answers first.
  mutating func ended(
    _ id: BatchID, _ outcome: Outcome, isReusable: Bool, jitter: Double, now: Instant
  ) -> [Action] {
    guard let batch = batches.removeValue(forKey: id) else { return [] }
    var actions: [Action] = []
    var unsent: [CallerID] = []
    for (position, caller) in batch.callers.enumerated() where callers[caller]?.batch == id {
      switch disposition(caller, outcome, isShared: batch.callers.count > 1) {
      case .deliver:
        callers[caller] = nil
        actions.append(.deliver(caller, position: position))
      case .fail:
        callers[caller] = nil
        actions.append(.fail(caller, position: position))
      case .repeatAlone:
        putBack(caller)
        alone.append(caller)
      case .repeatInOrder:
        putBack(caller)
        unsent.append(caller)
      }
    }
    queue.prepend(contentsOf: unsent)
    if isReusable {
      connections[batch.connection] = .idle
    } else {
      connections[batch.connection] = nil
      actions.append(.close(batch.connection))
      // Many clients lose their connections at one moment; they should not all come back at the next.
      if outcome != .committed { openNotBefore = now + limits.backoff.first * (jitter / 2) }
    }
    return actions + startBatches() + openAsNeeded(now: now) + finishIfEmpty()
  }

  /// The alarm rings: deadlines, and the end of a pause between attempts to connect.
  mutating func timePassed(now: Instant) -> [Action] {
    alarm = nil
    guard phase != .finished else { return [] }
    var actions: [Action] = []
    let isUnreachable = failingSince != nil && !hasLivingConnection
    for id in callers.filter({ $0.value.demand.deadline <= now }).keys.sorted() {
      actions += leave(id, waiting: isUnreachable ? .unreachable : .timedOut, underWay: .timedOutUnderWay)
    }
    actions += openAsNeeded(now: now)
    if let next = callers.values.map(\.demand.deadline).min() { wakeUp(by: next, &actions) }
    return actions + finishIfEmpty()
  }

  /// No new callers; those who wait are served, then the connections are closed.
  mutating func drain(now: Instant) -> [Action] {
    guard phase == .starting || phase == .running else { return [] }
    let wasRunning = phase == .running
    phase = .draining
    guard wasRunning else { return terminate() }
    return finishIfEmpty()
  }

  /// Refuses everyone and ends what is under way.
  mutating func terminate() -> [Action] {
    guard phase != .finished else { return [] }
    phase = .draining
    var actions: [Action] = []
    for id in callers.keys.sorted() { actions += leave(id, waiting: .closed, underWay: .closedUnderWay) }
    return actions + finishIfEmpty()
  }
}

extension LaneStateMachine {
  private enum Disposition { case deliver, fail, repeatAlone, repeatInOrder }

  private mutating func disposition(_ id: CallerID, _ outcome: Outcome, isShared: Bool) -> Disposition {
    guard let caller = callers[id] else { return .fail }
    switch outcome {
    case .committed: return .deliver
    case .notSent: return .repeatInOrder
    case .failed(let mayHaveTakenEffect, let isTransient):
      if mayHaveTakenEffect, !caller.demand.isIdempotent || !isTransient { return .fail }
      if isShared, !mayHaveTakenEffect { return .repeatAlone }
      let attempts = caller.attempts + 1
      callers[id]?.attempts = attempts
      return isTransient && attempts < limits.maximumAttempts ? .repeatAlone : .fail
    }
  }

  private mutating func putBack(_ id: CallerID) {
    guard let caller = callers[id] else { return }
    callers[id]?.batch = nil
    waitingCount += 1
    waitingBytes += caller.demand.bytes
  }

  private var waitingCallers: [CallerID] { callers.filter { $0.value.batch == nil }.keys.sorted() }

  private func isWaiting(_ id: CallerID) -> Bool { callers[id].map { $0.batch == nil } ?? false }

  private mutating func leave(_ id: CallerID, waiting: Refusal, underWay: Refusal) -> [Action] {
    guard let caller = callers.removeValue(forKey: id) else { return [] }
    guard let batch = caller.batch else {
      waitingCount -= 1
      waitingBytes -= caller.demand.bytes
      if queue.count > 2 * waitingCount + 16 { queue = queue.filter { isWaiting($0) } }
      return [.refuse(id, waiting)]
    }
    batches[batch]?.remaining -= 1
    guard let left = batches[batch], left.remaining == 0 else { return [.refuse(id, underWay)] }
    return [.refuse(id, underWay), .abandon(left.connection, batch)]
  }

  private mutating func startBatches() -> [Action] {
    guard waitingCount > 0, phase == .running || phase == .draining else { return [] }
    var actions: [Action] = []
    for id in connections.keys.sorted() where connections[id] == .idle {
      let members = nextMembers()
      guard !members.isEmpty else { break }
      let batch = nextBatch
      nextBatch += 1
      for member in members {
        callers[member]?.batch = batch
        waitingCount -= 1
        waitingBytes -= callers[member]?.demand.bytes ?? 0
      }
      batches[batch] = Batch(connection: id, callers: members, remaining: members.count)
      connections[id] = .busy(batch)
      actions.append(.start(id, batch, members))
    }
    return actions
  }

  /// Who travels next: one to be run alone, or as many from the head of the queue as may share a transaction, in the
  /// order in which they say they lock. The one at the head always goes, however large.
  private mutating func nextMembers() -> [CallerID] {
    while let id = alone.popFirst() { if isWaiting(id) { return [id] } }
    var members: [CallerID] = []
    var isolation: PostgresIsolation?
    var statements = 0
    var bytes = 0
    while let id = queue.first, members.count < limits.batchCallers {
      guard let caller = callers[id], caller.batch == nil else {
        queue.removeFirst()
        continue
      }
      statements += caller.demand.statements
      bytes += caller.demand.bytes
      if let isolation {
        guard caller.demand.isolation == isolation, caller.demand.order != .alone, statements <= limits.batchStatements,
          bytes <= limits.batchBytes
        else { break }
      }
      isolation = caller.demand.isolation
      members.append(id)
      queue.removeFirst()
      if caller.demand.order == .alone { break }
    }
    return inOrder(members)
  }

  private func inOrder(_ members: [CallerID]) -> [CallerID] {
    guard members.count > 1 else { return members }
    let keyed = members.map { id -> (id: CallerID, key: [UInt8]) in
      guard case .by(let key) = callers[id]?.demand.order else { return (id, []) }
      return (id, key)
    }
    guard keyed.contains(where: { !$0.key.isEmpty }) else { return members }
    return keyed.sorted { $0.key == $1.key ? $0.id < $1.id : $0.key.lexicographicallyPrecedes($1.key) }.map(\.id)
  }

  private mutating func openAsNeeded(now: Instant) -> [Action] {
    guard phase == .running || phase == .draining && waitingCount > 0 else { return [] }
    var actions: [Action] = []
    if let openNotBefore, openNotBefore > now {
      if connections.count < limits.connections { wakeUp(by: openNotBefore, &actions) }
      return actions
    }
    let allowed = failingSince == nil ? limits.connections : 1
    while connections.count < limits.connections, connections.values.count(where: { $0 == .opening }) < allowed {
      connections[nextConnection] = .opening
      actions.append(.open(nextConnection))
      nextConnection += 1
    }
    return actions
  }

  private mutating func wakeUp(by instant: Instant, _ actions: inout [Action]) {
    if let alarm, alarm <= instant { return }
    alarm = instant
    actions.append(.setAlarm(instant))
  }

  private mutating func finishIfEmpty() -> [Action] {
    guard phase == .draining, callers.isEmpty, batches.isEmpty else { return [] }
    phase = .finished
    let actions = connections.keys.sorted().filter { connections[$0] == .idle }.map(Action.close)
    connections.removeAll()
    return actions + [.finish]
  }
}
