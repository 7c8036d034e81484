import DequeModule

/// What a lane decides, without sockets, tasks or clocks: events go in, actions come out.
///
/// Callers that come while all connections are busy form the next batch. Where a batch fails without effect, the one at
/// fault is known or the callers are run one by one, so that only the one at fault gets an error.
struct LaneStateMachine {
  typealias Caller = LaneCaller
  typealias ConnectionID = UInt64
  typealias BatchID = UInt64
  typealias Instant = LaneInstant

  private struct Connection {
    enum State: Equatable {
      case opening
      case idle
      case busy(BatchID)
      /// Its batch is over, and the next one waits for those who have just been answered.
      case held
    }
    let id: ConnectionID
    var state = State.opening
    var expiry: Instant?
  }

  private struct Batch {
    let id: BatchID
    var connection: ConnectionID
    var callers: [Caller]
    /// How many of them still wait for their answer.
    var remaining: Int
  }

  private let limits: Limits
  private(set) var phase = Phase.starting
  /// In the order of coming; those who have left stay until they come to the head.
  private var queue: Deque<Caller> = []
  /// Those to be run by themselves, before the others.
  private var alone: Deque<Caller> = []
  /// A few, in the order of their opening.
  private var connections: [Connection] = []
  /// One for each connection at most.
  private var batches: [Batch] = []
  private(set) var waitingCount = 0
  private var waitingBytes = 0
  private var underWayCount = 0
  private var nextConnection: ConnectionID = 1
  private var nextBatch: BatchID = 1
  private var failures = 0
  private var failingSince: Instant?
  private var openNotBefore: Instant?
  private var alarm: Instant?
  /// How many batches in a row had one caller, and nobody else about.
  private var loneBatches = 0

  init(limits: Limits) {
    self.limits = limits
  }

  /// Whether callers come one by one, so that nobody waits while one runs its own batch.
  var isLonely: Bool { loneBatches >= Self.lonelyAfter }

  private static let lonelyAfter = 4

  private var livingCount: Int { connections.count { $0.state != .opening } }

  private func place(_ id: ConnectionID, in state: Connection.State) -> Int? {
    connections.firstIndex { $0.id == id && $0.state == state }
  }

  /// The lane may open its connections.
  mutating func start(now: Instant) -> [Action] {
    guard phase == .starting else { return [] }
    phase = .running
    return openAsNeeded(now: now)
  }

  /// A caller brings work.
  /// - Returns: why it is refused, if it is, and what the shell has to do.
  mutating func submit(_ caller: Caller, now: Instant) -> (Refusal?, [Action]) {
    guard phase == .starting || phase == .running else { return (.closed, []) }
    guard caller.demand.deadline > now else { return (.timedOut, []) }
    guard waitingCount < limits.maximumWaiting,
      waitingCount == 0 || waitingBytes + caller.demand.bytes <= limits.maximumWaitingBytes
    else { return (.queueFull, []) }
    wait(caller)
    queue.append(caller)
    var actions = startBatches()
    wakeUp(by: caller.demand.deadline, &actions)
    return (nil, actions)
  }

  /// The connection that a lone caller may take; `nil` where the last callers had company, where none is at rest, and
  /// while the lane does not run.
  var loneConnection: ConnectionID? {
    guard isLonely, phase == .running, waitingCount == 0, batches.isEmpty else { return nil }
    return connections.first { $0.state == .idle }?.id
  }

  /// A caller that nobody keeps company takes a connection, to run its batch itself. What `submit` does is done
  /// in a few steps here, because a lone caller waits for each of them.
  /// - Parameters:
  ///   - connection: as `loneConnection` names it.
  ///   - caller: the caller.
  ///   - now: the present instant.
  /// - Returns: the batch; `nil` where the caller has to be submitted as any other, and nothing has been done.
  mutating func take(_ connection: ConnectionID, alone caller: Caller, now: Instant) -> BatchID? {
    guard connection == loneConnection, caller.demand.deadline > now, let alarm, alarm <= caller.demand.deadline,
      let place = place(connection, in: .idle)
    else { return nil }
    let id = nextBatch
    nextBatch += 1
    caller.stage = .underWay(id)
    caller.position = 0
    underWayCount += 1
    batches.append(Batch(id: id, connection: connection, callers: [caller], remaining: 1))
    connections[place].state = .busy(id)
    return id
  }

  /// The batch of a lone caller was committed, and its connection is fit for the next one.
  /// - Returns: whether that was all; where not, `ended` has to be told, and nothing has been done.
  mutating func endedAlone(_ id: BatchID, now: Instant) -> Bool {
    guard phase == .running, waitingCount == 0, batches.count == 1, batches[0].id == id,
      batches[0].callers.count == 1, batches[0].remaining == 1, connections.count == limits.connections,
      let place = place(batches[0].connection, in: .busy(id)),
      connections[place].expiry.map({ $0 > now }) ?? true
    else { return false }
    batches[0].callers[0].stage = .answered
    batches.removeAll(keepingCapacity: true)
    underWayCount -= 1
    connections[place].state = .idle
    return true
  }

  /// A caller gives up. One that has its answer already is not touched.
  mutating func cancel(_ caller: Caller) -> [Action] {
    leave(caller, waiting: .cancelled, underWay: .cancelledUnderWay)
  }

  /// A connection was opened.
  /// - Parameters:
  ///   - id: the connection.
  ///   - lifetimeShare: from 0.9 to 1, drawn by the shell, so that connections opened together do not close together.
  ///   - now: the present instant.
  /// - Returns: what the shell has to do.
  mutating func opened(_ id: ConnectionID, lifetimeShare: Double = 1, now: Instant) -> [Action] {
    guard let place = place(id, in: .opening) else { return [.close(id)] }
    failures = 0
    failingSince = nil
    openNotBefore = nil
    connections[place].state = .idle
    connections[place].expiry = now + limits.maximumLifetime * lifetimeShare
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
    guard let place = place(id, in: .opening) else { return [] }
    connections.remove(at: place)
    guard phase != .finished else { return [] }
    let since = failingSince ?? now
    failingSince = since
    failures += 1
    var delay = limits.backoff.first
    for _ in 1..<min(max(failures, 1), 16) where delay < limits.backoff.last { delay = delay * 2 }
    let next = now + min(delay, limits.backoff.last) * (0.5 + jitter / 2)
    openNotBefore = next
    var actions: [Action] = []
    if livingCount == 0, isPermanent || now - since >= limits.outageTolerance {
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
  ///   - holds: whether a connection that is fit waits for `released`, because those who get their answers now are
  ///     about to come again and would otherwise travel one by one.
  ///   - jitter: draws from 0 to 1, for the pause before a lost connection is replaced.
  ///   - now: the present instant.
  /// - Returns: what the shell has to do, the answers first.
  mutating func ended(
    _ id: BatchID, _ outcome: Outcome, isReusable: Bool, holds: Bool = false, jitter: () -> Double, now: Instant
  ) -> [Action] {
    guard let found = batches.firstIndex(where: { $0.id == id }) else { return [] }
    let batch = batches.remove(at: found)
    underWayCount -= batch.remaining
    let wasAlone = batch.callers.count == 1 && waitingCount == 0 && batches.isEmpty
    loneBatches = wasAlone ? min(loneBatches + 1, Self.lonelyAfter) : 0
    var actions = settle(batch, id, outcome)
    if let place = place(batch.connection, in: .busy(id)) {
      if isReusable, connections[place].expiry.map({ $0 > now }) ?? true {
        connections[place].state = holds ? .held : .idle
      } else {
        connections.remove(at: place)
        actions.append(.close(batch.connection))
        // Many clients lose their connections at one moment; they should not all come back at the next.
        if !isReusable, outcome != .committed { openNotBefore = now + limits.backoff.first * (jitter() / 2) }
      }
    }
    actions += startBatches()
    if connections.count < limits.connections { actions += openAsNeeded(now: now) }
    return actions + finishIfEmpty()
  }

  /// A connection that was held takes its next batch.
  mutating func released(_ id: ConnectionID) -> [Action] {
    guard let place = place(id, in: .held) else { return [] }
    connections[place].state = .idle
    return startBatches() + finishIfEmpty()
  }

  /// The alarm rings: deadlines, and the end of a pause between attempts to connect.
  mutating func timePassed(now: Instant) -> [Action] {
    alarm = nil
    guard phase != .finished else { return [] }
    var actions: [Action] = []
    let isUnreachable = failingSince != nil && livingCount == 0
    for caller in present.filter({ $0.demand.deadline <= now }).sorted(by: { $0.id < $1.id }) {
      actions += leave(caller, waiting: isUnreachable ? .unreachable : .timedOut, underWay: .timedOutUnderWay)
    }
    actions += openAsNeeded(now: now)
    if let next = present.map(\.demand.deadline).min() { wakeUp(by: next, &actions) }
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
    for caller in present.sorted(by: { $0.id < $1.id }) {
      actions += leave(caller, waiting: .closed, underWay: .closedUnderWay)
    }
    return actions + finishIfEmpty()
  }
}

extension LaneStateMachine {
  private enum Disposition { case deliver, fail, repeatAlone, repeatInOrder }

  private static func disposition(
    _ caller: Caller, _ outcome: Outcome, isShared: Bool, _ limits: Limits
  ) -> Disposition {
    switch outcome {
    case .committed:
      return .deliver
    case .notSent:
      caller.attempts += 1
      return caller.attempts <= limits.connections + limits.maximumAttempts ? .repeatInOrder : .fail
    case .failed(let mayHaveTakenEffect, let isTransient, let culprit):
      if mayHaveTakenEffect { caller.mayHaveTakenEffect = true }
      if mayHaveTakenEffect, !caller.demand.isIdempotent || !isTransient { return .fail }
      if isShared, !mayHaveTakenEffect {
        // The server names the statement that failed: whose it is runs by itself, the others go on together.
        return culprit == nil || culprit == caller.position ? .repeatAlone : .repeatInOrder
      }
      caller.attempts += 1
      return isTransient && caller.attempts < limits.maximumAttempts ? .repeatAlone : .fail
    }
  }

  /// Everyone who has not left gets the results, the error or another turn.
  private mutating func settle(_ batch: Batch, _ id: BatchID, _ outcome: Outcome) -> [Action] {
    var delivered: [Caller] = []
    delivered.reserveCapacity(outcome == .committed ? batch.callers.count : 0)
    var actions: [Action] = []
    var innocent: [Caller] = []
    let isShared = batch.callers.count > 1
    for caller in batch.callers where caller.stage == .underWay(id) {
      switch Self.disposition(caller, outcome, isShared: isShared, limits) {
      case .deliver:
        caller.stage = .answered
        delivered.append(caller)
      case .fail:
        caller.stage = .answered
        actions.append(outcome == .notSent ? .refuse(caller, .unreachable) : .fail(caller))
      case .repeatAlone:
        wait(caller)
        alone.append(caller)
      case .repeatInOrder:
        wait(caller)
        innocent.append(caller)
      }
    }
    if !innocent.isEmpty { queue.prepend(contentsOf: innocent) }
    return delivered.isEmpty ? actions : [.deliver(delivered)]
  }

  private mutating func wait(_ caller: Caller) {
    caller.stage = .waiting
    waitingCount += 1
    waitingBytes += caller.demand.bytes
  }

  private var waitingCallers: [Caller] {
    (Array(queue) + Array(alone)).filter { $0.stage == .waiting }.sorted { $0.id < $1.id }
  }

  /// Everyone who has no answer yet.
  private var present: [Caller] {
    var present = waitingCallers
    for batch in batches { present += batch.callers.filter { $0.stage == .underWay(batch.id) } }
    return present
  }

  private mutating func leave(_ caller: Caller, waiting: Refusal, underWay: Refusal) -> [Action] {
    switch caller.stage {
    case .new, .answered:
      return []
    case .waiting:
      caller.stage = .answered
      waitingCount -= 1
      waitingBytes -= caller.demand.bytes
      if queue.count > 2 * waitingCount + 16 { queue.removeAll { $0.stage != .waiting } }
      return [.refuse(caller, waiting)]
    case .underWay(let batch):
      caller.stage = .answered
      underWayCount -= 1
      guard let left = batches.firstIndex(where: { $0.id == batch }) else { return [.refuse(caller, underWay)] }
      batches[left].remaining -= 1
      guard batches[left].remaining == 0 else { return [.refuse(caller, underWay)] }
      return [.refuse(caller, underWay), .abandon(batches[left].connection, batch)]
    }
  }

  private mutating func startBatches() -> [Action] {
    guard waitingCount > 0, phase == .running || phase == .draining else { return [] }
    var actions: [Action] = []
    for place in connections.indices where connections[place].state == .idle {
      let members = nextMembers()
      guard !members.isEmpty else { break }
      let batch = nextBatch
      nextBatch += 1
      for (position, member) in members.enumerated() {
        member.stage = .underWay(batch)
        member.position = position
        waitingBytes -= member.demand.bytes
      }
      waitingCount -= members.count
      underWayCount += members.count
      batches.append(
        Batch(id: batch, connection: connections[place].id, callers: members, remaining: members.count))
      connections[place].state = .busy(batch)
      actions.append(.start(connections[place].id, batch, members))
    }
    return actions
  }

  /// Who travels next: one to be run alone, or as many from the head of the queue as may share a transaction, in the
  /// order in which they say they lock. The one at the head always goes, however large.
  private mutating func nextMembers() -> [Caller] {
    while let caller = alone.popFirst() { if caller.stage == .waiting { return [caller] } }
    // No more than a fair share, so that connections do not take turns between a crowd and a single caller.
    let living = max(1, livingCount)
    let share = min(limits.batchCallers, (waitingCount + underWayCount + living - 1) / living)
    var company = LaneCompany(limits, capacity: min(share, waitingCount))
    while company.callers.count < share, !company.isClosed, let caller = queue.popFirst() {
      guard caller.stage == .waiting else { continue }
      if !company.admit(caller) {
        queue.prepend(caller)
        break
      }
    }
    return company.inOrder
  }

  private mutating func openAsNeeded(now: Instant) -> [Action] {
    guard phase == .running || phase == .draining && waitingCount > 0 else { return [] }
    var actions: [Action] = []
    if let openNotBefore, openNotBefore > now {
      if connections.count < limits.connections { wakeUp(by: openNotBefore, &actions) }
      return actions
    }
    let allowed = failingSince == nil ? limits.connections : 1
    while connections.count < limits.connections, connections.count(where: { $0.state == .opening }) < allowed {
      connections.append(Connection(id: nextConnection))
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
    guard phase == .draining, waitingCount == 0, batches.isEmpty,
      !connections.contains(where: { $0.state == .held })
    else { return [] }
    phase = .finished
    let actions = connections.filter { $0.state == .idle }.map { Action.close($0.id) }
    connections.removeAll()
    return actions + [.finish]
  }
}
