import DequeModule

/// What a pool of connections decides, without sockets, tasks or clocks: events go in, actions come out.
///
/// Callers wait in the order of their coming; the connection used last is lent first, so that the others may grow idle
/// and be closed.
struct PoolStateMachine {
  typealias ConnectionID = UInt64
  typealias WaiterID = UInt64
  typealias Instant = ContinuousClock.Instant

  /// The pool's limits; each must make sense, see `PostgresPool.Configuration`.
  struct Limits: Sendable {
    var maximumConnections: Int
    var maximumWaiting: Int
    /// Past this age a connection is closed when it comes back.
    var maximumLifetime: Duration
    /// Past this time without use a connection is closed.
    var maximumIdleTime: Duration
    /// How long callers wait out a server that cannot be reached, counted from the first failed attempt.
    var outageTolerance: Duration
    /// Between attempts to connect after a failure: from `first`, doubling, to `last`.
    var backoff: (first: Duration, last: Duration) = (.milliseconds(50), .seconds(2))
  }

  /// Why a caller gets no connection.
  enum Refusal: Sendable, Equatable {
    case queueFull, timedOut, cancelled, shuttingDown
    /// No connection can be made; the shell knows the last error.
    case unreachable
  }

  /// What the shell has to do.
  enum Action: Sendable, Equatable {
    case lend(ConnectionID, to: WaiterID)
    case refuse(WaiterID, Refusal)
    case open(ConnectionID)
    case close(ConnectionID)
    /// Call `timePassed` at this instant, in place of the instant asked for before.
    case setAlarm(Instant)
    /// Everything is closed; the pool is over.
    case finish
  }

  /// The answer to a caller who asks for a connection.
  enum Request: Sendable, Equatable {
    case lent(ConnectionID)
    case waiting
    case refused(Refusal)
  }

  enum Phase: Sendable, Equatable {
    case running, draining, finished
  }

  private struct Connection {
    enum State { case opening, idle, lent }
    var state: State
    var expiry: Instant
    var idleSince: Instant
  }

  private struct Waiter {
    var deadline: Instant
  }

  private let limits: Limits
  private(set) var phase = Phase.running
  private var connections: [ConnectionID: Connection] = [:]
  /// The idle ones, the one used last at the end.
  private var idle: Deque<ConnectionID> = []
  private var waiters: [WaiterID: Waiter] = [:]
  /// The order of coming; ids without an entry in `waiters` have left.
  private var queue: Deque<WaiterID> = []
  private var nextConnection: ConnectionID = 1
  private var failures = 0
  private var failingSince: Instant?
  private var openNotBefore: Instant?
  private var alarm: Instant?

  init(limits: Limits) {
    self.limits = limits
  }

  var connectionCount: Int { connections.count }
  var idleCount: Int { idle.count }
  var waitingCount: Int { waiters.count }
  private var hasLivingConnection: Bool { connections.values.contains { $0.state != .opening } }
  private var openingCount: Int { connections.values.count { $0.state == .opening } }

  /// A caller asks for a connection.
  mutating func request(_ waiter: WaiterID, deadline: Instant, now: Instant) -> (Request, [Action]) {
    guard phase == .running else { return (.refused(.shuttingDown), []) }
    if waiters.isEmpty, let id = idle.popLast() {
      connections[id]?.state = .lent
      return (.lent(id), [])
    }
    guard waiters.count < limits.maximumWaiting else { return (.refused(.queueFull), []) }
    guard deadline > now else { return (.refused(.timedOut), []) }
    waiters[waiter] = Waiter(deadline: deadline)
    queue.append(waiter)
    var actions = openAsNeeded(now: now)
    wakeUp(by: deadline, &actions)
    return (.waiting, actions)
  }

  /// A waiting caller gives up. A caller who has left already is none of its business.
  mutating func cancel(_ waiter: WaiterID) -> [Action] {
    guard waiters.removeValue(forKey: waiter) != nil else { return [] }
    compactQueue()
    return [.refuse(waiter, .cancelled)]
  }

  /// A connection was opened.
  /// - Parameters:
  ///   - id: the connection.
  ///   - lifetimeShare: from 0.9 to 1, drawn by the shell, so that connections opened together do not close together.
  ///   - now: the present instant.
  /// - Returns: what the shell has to do.
  mutating func opened(_ id: ConnectionID, lifetimeShare: Double, now: Instant) -> [Action] {
    guard connections[id]?.state == .opening else { return [.close(id)] }
    failures = 0
    failingSince = nil
    openNotBefore = nil
    guard phase == .running else {
      connections[id] = nil
      return [.close(id)] + finishIfEmpty()
    }
    let expiry = now + limits.maximumLifetime * lifetimeShare
    connections[id]?.expiry = expiry
    return put(id, now: now) + openAsNeeded(now: now)
  }

  /// A connection could not be opened.
  /// - Parameters:
  ///   - id: the connection.
  ///   - isPermanent: whether waiting cannot help, as with a wrong password.
  ///   - jitter: from 0 to 1, drawn by the shell.
  ///   - now: the present instant.
  /// - Returns: what the shell has to do.
  mutating func openingFailed(_ id: ConnectionID, isPermanent: Bool, jitter: Double, now: Instant) -> [Action] {
    guard connections.removeValue(forKey: id) != nil else { return [] }
    guard phase == .running else { return finishIfEmpty() }
    let since = failingSince ?? now
    failingSince = since
    failures += 1
    var delay = limits.backoff.first
    for _ in 1..<min(max(failures, 1), 16) where delay < limits.backoff.last { delay = delay * 2 }
    delay = min(delay, limits.backoff.last)
    let next = now + delay * (0.5 + jitter / 2)
    openNotBefore = next
    var actions: [Action] = []
    // With connections in use callers may still be served; with none, only an opening can help them.
    if !hasLivingConnection, isPermanent || now - since >= limits.outageTolerance {
      actions = refuseAll(.unreachable)
    }
    if !waiters.isEmpty { wakeUp(by: next, &actions) }
    return actions
  }

  /// A connection comes back from its user, or turned out to be dead when it was lent.
  mutating func returned(_ id: ConnectionID, isReusable: Bool, now: Instant) -> [Action] {
    guard let connection = connections[id], connection.state == .lent else { return [] }
    guard phase == .running, isReusable, connection.expiry > now else {
      connections[id] = nil
      guard phase == .running else { return [.close(id)] + finishIfEmpty() }
      return [.close(id)] + openAsNeeded(now: now)
    }
    return put(id, now: now)
  }

  /// The alarm rings: deadlines, idle times and the end of a pause between attempts.
  mutating func timePassed(now: Instant) -> [Action] {
    alarm = nil
    guard phase == .running else { return [] }
    var actions: [Action] = []
    for id in queue {
      guard let waiter = waiters[id], waiter.deadline <= now else { continue }
      waiters[id] = nil
      let isUnreachable = failingSince != nil && !hasLivingConnection
      actions.append(.refuse(id, isUnreachable ? .unreachable : .timedOut))
    }
    compactQueue()
    for id in idle where isOver(id, now: now) {
      connections[id] = nil
      actions.append(.close(id))
    }
    idle.removeAll { connections[$0] == nil }
    actions += openAsNeeded(now: now)
    if let next = nextInstant(after: now) { wakeUp(by: next, &actions) }
    return actions
  }

  /// No new callers; connections in use are waited for.
  mutating func drain() -> [Action] {
    guard phase == .running else { return [] }
    phase = .draining
    var actions = refuseAll(.shuttingDown)
    for id in idle {
      connections[id] = nil
      actions.append(.close(id))
    }
    idle.removeAll()
    return actions + finishIfEmpty()
  }

  /// Closes everything at once, connections in use as well; those still being opened are closed once they are.
  mutating func terminate() -> [Action] {
    var actions = drain()
    for (id, connection) in connections where connection.state == .lent { actions.append(.close(id)) }
    return actions
  }

  private mutating func put(_ id: ConnectionID, now: Instant) -> [Action] {
    while let waiter = queue.popFirst() {
      guard waiters.removeValue(forKey: waiter) != nil else { continue }
      connections[id]?.state = .lent
      return [.lend(id, to: waiter)]
    }
    connections[id]?.state = .idle
    connections[id]?.idleSince = now
    idle.append(id)
    var actions: [Action] = []
    if let connection = connections[id] {
      wakeUp(by: min(connection.expiry, now + limits.maximumIdleTime), &actions)
    }
    return actions
  }

  /// Opens as many connections as there are callers whom those being opened will not serve; while attempts fail, one
  /// at a time and after a pause.
  private mutating func openAsNeeded(now: Instant) -> [Action] {
    guard phase == .running else { return [] }
    if let openNotBefore, openNotBefore > now {
      var actions: [Action] = []
      if !waiters.isEmpty { wakeUp(by: openNotBefore, &actions) }
      return actions
    }
    let opening = openingCount
    let allowed = failingSince == nil ? limits.maximumConnections : 1
    let wanted = min(waiters.count - opening, limits.maximumConnections - connections.count, allowed - opening)
    guard wanted > 0 else { return [] }
    return (0..<wanted).map { _ in
      let id = nextConnection
      nextConnection += 1
      connections[id] = Connection(state: .opening, expiry: now, idleSince: now)
      return .open(id)
    }
  }

  private mutating func refuseAll(_ refusal: Refusal) -> [Action] {
    let actions = queue.filter { waiters[$0] != nil }.map { Action.refuse($0, refusal) }
    queue.removeAll()
    waiters.removeAll()
    return actions
  }

  /// Keeps the queue from filling up with callers who have left.
  private mutating func compactQueue() {
    if queue.count > 2 * waiters.count + 16 || waiters.isEmpty { queue.removeAll { waiters[$0] == nil } }
  }

  private func isOver(_ id: ConnectionID, now: Instant) -> Bool {
    guard let connection = connections[id] else { return true }
    return connection.expiry <= now || connection.idleSince + limits.maximumIdleTime <= now
  }

  private func nextInstant(after now: Instant) -> Instant? {
    var next = waiters.values.map(\.deadline).min()
    for id in idle {
      guard let connection = connections[id] else { continue }
      let end = min(connection.expiry, connection.idleSince + limits.maximumIdleTime)
      next = min(next ?? end, end)
    }
    if !waiters.isEmpty, let openNotBefore, openNotBefore > now { next = min(next ?? openNotBefore, openNotBefore) }
    return next
  }

  private mutating func wakeUp(by instant: Instant, _ actions: inout [Action]) {
    if let alarm, alarm <= instant { return }
    alarm = instant
    actions.append(.setAlarm(instant))
  }

  private mutating func finishIfEmpty() -> [Action] {
    guard phase == .draining, connections.isEmpty else { return [] }
    phase = .finished
    return [.finish]
  }
}
