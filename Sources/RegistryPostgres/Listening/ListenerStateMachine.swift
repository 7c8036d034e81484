import DequeModule

/// What a listener decides, without sockets, tasks or clocks: events go in, actions come out.
///
/// One connection serves all subscriptions. Whoever drives it asks for the next step when the last one is over, and is
/// interrupted when it waits while there is something to send.
struct ListenerStateMachine {
  typealias SubscriptionID = UInt64
  typealias ConnectionID = UInt64
  typealias Instant = ContinuousClock.Instant
  typealias Element = PostgresNotifications.Element

  /// The listener's limits.
  struct Limits: Sendable {
    /// The most elements that wait for one subscriber.
    var maximumBuffered: Int
    /// Past this time without a word of the server it is asked for one.
    var probeInterval: Duration
    /// Between attempts to connect: from `first`, doubling, to `last`.
    var backoff: (first: Duration, last: Duration) = (.milliseconds(50), .seconds(5))
  }

  /// What is done next on the connection.
  enum Step: Sendable, Equatable {
    /// LISTEN and UNLISTEN, in one transaction.
    case change(listen: [String], unlisten: [String])
    /// Ask which channels the server believes this connection listens to.
    case probe
    case wait(until: Instant)
  }

  /// What the shell has to do.
  enum Action: Sendable, Equatable {
    /// The subscriber who waits gets this; `nil` ends its sequence.
    case answer(SubscriptionID, Element?)
    case open(ConnectionID)
    /// End the wait under way: there is something to send.
    case interrupt(ConnectionID)
    /// Close the connection, or give up opening it; `lost` must follow.
    case close(ConnectionID)
    /// Call `timePassed` at this instant, in place of the instant asked for before.
    case setAlarm(Instant)
    case finish
  }

  /// The answer to a subscriber who asks for the next element.
  enum Answer: Sendable, Equatable {
    case element(Element)
    case waiting
    case end
  }

  enum Phase: Sendable, Equatable {
    /// `run()` has not been called: subscribers wait.
    case starting
    case running, draining, finished
  }

  private struct Subscription {
    var channel: String
    var buffer: Deque<Element> = []
    var isWaiting = false
    var deadline: Instant?
  }

  private enum Activity: Equatable {
    case resting, probing, waiting
    case changing(listen: [String])
  }

  private enum Connection: Equatable {
    case none
    case opening(ConnectionID)
    case open(ConnectionID, Activity)
  }

  private let limits: Limits
  private(set) var phase = Phase.starting
  private var subscriptions: [SubscriptionID: Subscription] = [:]
  /// Who listens to what.
  private var channels: [String: Set<SubscriptionID>] = [:]
  /// What the server has confirmed.
  private var confirmed: Set<String> = []
  private var connection = Connection.none
  private var lastHeard: Instant?
  private var confirmedSince: Instant?
  private var failures = 0
  private var openNotBefore: Instant?
  private var nextSubscription: SubscriptionID = 1
  private var nextConnection: ConnectionID = 1
  private var alarm: Instant?

  init(limits: Limits) {
    self.limits = limits
  }

  var subscriptionCount: Int { subscriptions.count }

  /// Whether the server has confirmed every channel that somebody subscribes to.
  var isListening: Bool {
    guard case .open = connection else { return false }
    return confirmedSince != nil && channels.keys.allSatisfy(confirmed.contains)
  }

  // MARK: Subscribers

  /// A subscriber comes. Its first element says that the channel is listened to.
  mutating func subscribe(_ channel: String, now: Instant) -> (SubscriptionID, [Action]) {
    let id = nextSubscription
    nextSubscription += 1
    guard phase == .starting || phase == .running else { return (id, []) }
    subscriptions[id] = Subscription(channel: channel)
    channels[channel, default: []].insert(id)
    if confirmed.contains(channel) { subscriptions[id]?.buffer.append(.resumed) }
    return (id, openIfNeeded(now: now) + interruptIfNeeded())
  }

  /// A subscriber leaves.
  mutating func unsubscribe(_ id: SubscriptionID) -> [Action] {
    guard let subscription = subscriptions.removeValue(forKey: id) else { return [] }
    channels[subscription.channel]?.remove(id)
    if channels[subscription.channel]?.isEmpty == true { channels[subscription.channel] = nil }
    return (subscription.isWaiting ? [.answer(id, nil)] : []) + interruptIfNeeded()
  }

  /// A subscriber asks for its next element.
  /// - Parameters:
  ///   - id: the subscription.
  ///   - deadline: when to answer `elapsed`; `nil` waits for ever.
  ///   - now: the present instant.
  /// - Returns: the answer, and what the shell has to do.
  mutating func next(_ id: SubscriptionID, deadline: Instant?, now: Instant) -> (Answer, [Action]) {
    if let element = subscriptions[id]?.buffer.popFirst() { return (.element(element), []) }
    guard let subscription = subscriptions[id], !subscription.isWaiting, phase == .starting || phase == .running else {
      return (.end, [])
    }
    var actions: [Action] = []
    if let deadline {
      guard deadline > now else { return (.element(.elapsed), []) }
      wakeUp(by: deadline, &actions)
    }
    subscriptions[id]?.isWaiting = true
    subscriptions[id]?.deadline = deadline
    return (.waiting, actions)
  }

  /// A subscriber waits no longer. One that has its answer already is not touched.
  mutating func cancelNext(_ id: SubscriptionID) -> [Action] {
    guard subscriptions[id]?.isWaiting == true else { return [] }
    subscriptions[id]?.isWaiting = false
    return [.answer(id, nil)]
  }

  // MARK: The connection

  /// The listener may open its connection.
  mutating func start(now: Instant) -> [Action] {
    guard phase == .starting else { return [] }
    phase = .running
    return openIfNeeded(now: now)
  }

  /// The connection was opened; the next step is asked for.
  mutating func opened(_ id: ConnectionID, now: Instant) {
    guard connection == .opening(id) else { return }
    connection = .open(id, .resting)
    lastHeard = now
  }

  /// What to do on the connection now that the last step is over; `nil` for closing it.
  mutating func nextStep(_ id: ConnectionID, now: Instant) -> Step? {
    guard phase == .running, case .open(id, _) = connection, let lastHeard else { return nil }
    let listen = channels.keys.filter { !confirmed.contains($0) }.sorted()
    let unlisten = confirmed.filter { channels[$0] == nil }.sorted()
    if !listen.isEmpty || !unlisten.isEmpty {
      // From the moment of sending on: a subscriber who comes meanwhile must be listened for anew.
      confirmed.subtract(unlisten)
      connection = .open(id, .changing(listen: listen))
      return .change(listen: listen, unlisten: unlisten)
    }
    let probe = lastHeard + limits.probeInterval
    if probe <= now {
      connection = .open(id, .probing)
      return .probe
    }
    connection = .open(id, .waiting)
    return .wait(until: probe)
  }

  /// Whether a wait has become pointless since it was begun.
  func isInterrupted(_ id: ConnectionID) -> Bool {
    guard phase == .running, case .open(id, .waiting) = connection else { return true }
    return hasChanges
  }

  /// The server has confirmed a change. What its channels said before is lost, so their subscribers are woken.
  mutating func changed(_ id: ConnectionID, now: Instant) -> [Action] {
    guard case .open(id, .changing(let listen)) = connection else { return [] }
    connection = .open(id, .resting)
    lastHeard = now
    if confirmedSince == nil { confirmedSince = now }
    confirmed.formUnion(listen)
    return listen.flatMap { deliver(.resumed, on: $0) }
  }

  /// The server said which channels it knows; those that it forgot, as behind a pooler, are listened to again.
  mutating func probed(_ id: ConnectionID, _ known: Set<String>, now: Instant) {
    guard case .open(id, .probing) = connection else { return }
    connection = .open(id, .resting)
    lastHeard = now
    confirmed.formIntersection(known)
  }

  /// A wait is over, with what came meanwhile.
  mutating func received(_ id: ConnectionID, _ notifications: [PostgresNotification], now: Instant) -> [Action] {
    guard case .open(id, .waiting) = connection else { return [] }
    connection = .open(id, .resting)
    if !notifications.isEmpty { lastHeard = now }
    return notifications.flatMap { deliver(.notification($0), on: $0.channel) }
  }

  /// The connection could not be opened or is gone.
  /// - Parameters:
  ///   - id: the connection.
  ///   - isPermanent: whether trying again soon cannot help, as with a wrong password.
  ///   - jitter: from 0 to 1, drawn by the shell.
  ///   - now: the present instant.
  /// - Returns: what the shell has to do.
  mutating func lost(_ id: ConnectionID, isPermanent: Bool, jitter: Double, now: Instant) -> [Action] {
    switch connection {
    case .opening(id), .open(id, _): connection = .none
    default: return []
    }
    confirmed.removeAll()
    // One that is lost as soon as it listens must not be opened again without end.
    let hasLasted = confirmedSince.map { now - $0 >= limits.backoff.last } ?? false
    confirmedSince = nil
    failures = hasLasted ? 1 : failures + 1
    guard phase == .running else { return finish() }
    var delay = isPermanent ? limits.backoff.last : limits.backoff.first
    for _ in 1..<min(failures, 16) where delay < limits.backoff.last { delay = delay * 2 }
    openNotBefore = now + min(delay, limits.backoff.last) * (0.5 + jitter / 2)
    return openIfNeeded(now: now)
  }

  /// The alarm rings: deadlines of subscribers, and the end of a pause between attempts to connect.
  mutating func timePassed(now: Instant) -> [Action] {
    alarm = nil
    guard phase == .starting || phase == .running else { return [] }
    var actions: [Action] = []
    var next: Instant?
    for (id, subscription) in subscriptions.sorted(by: { $0.key < $1.key }) where subscription.isWaiting {
      guard let deadline = subscription.deadline else { continue }
      if deadline <= now {
        subscriptions[id]?.isWaiting = false
        actions.append(.answer(id, .elapsed))
      } else {
        next = min(next ?? deadline, deadline)
      }
    }
    actions += openIfNeeded(now: now)
    if let next { wakeUp(by: next, &actions) }
    return actions
  }

  /// Ends all sequences, once what waits in them is taken, and closes the connection.
  mutating func drain() -> [Action] {
    guard phase == .starting || phase == .running else { return [] }
    phase = .draining
    var actions: [Action] = []
    for (id, subscription) in subscriptions.sorted(by: { $0.key < $1.key }) where subscription.isWaiting {
      subscriptions[id]?.isWaiting = false
      actions.append(.answer(id, nil))
    }
    switch connection {
    case .none: return actions + finish()
    case .opening(let id), .open(let id, _): return actions + [.close(id)]
    }
  }
}

extension ListenerStateMachine {
  private mutating func deliver(_ element: Element, on channel: String) -> [Action] {
    (channels[channel] ?? []).sorted().flatMap { deliver(element, to: $0) }
  }

  private mutating func deliver(_ element: Element, to id: SubscriptionID) -> [Action] {
    guard let subscription = subscriptions[id] else { return [] }
    if subscription.isWaiting {
      subscriptions[id]?.isWaiting = false
      return [.answer(id, element)]
    }
    if element == .resumed, subscription.buffer.last == .resumed { return [] }
    if subscription.buffer.count < limits.maximumBuffered {
      subscriptions[id]?.buffer.append(element)
    } else {
      // Who looks again at everything needs to be told nothing else.
      subscriptions[id]?.buffer = [.resumed]
    }
    return []
  }

  private var hasChanges: Bool {
    channels.count != confirmed.count || !channels.keys.allSatisfy(confirmed.contains)
  }

  private func interruptIfNeeded() -> [Action] {
    guard case .open(let id, .waiting) = connection, hasChanges else { return [] }
    return [.interrupt(id)]
  }

  private mutating func openIfNeeded(now: Instant) -> [Action] {
    guard phase == .running, connection == .none, !channels.isEmpty else { return [] }
    if let openNotBefore, openNotBefore > now {
      var actions: [Action] = []
      wakeUp(by: openNotBefore, &actions)
      return actions
    }
    let id = nextConnection
    nextConnection += 1
    connection = .opening(id)
    return [.open(id)]
  }

  private mutating func wakeUp(by instant: Instant, _ actions: inout [Action]) {
    if let alarm, alarm <= instant { return }
    alarm = instant
    actions.append(.setAlarm(instant))
  }

  private mutating func finish() -> [Action] {
    phase = .finished
    return [.finish]
  }
}
