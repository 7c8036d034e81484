import NIOConcurrencyHelpers

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// One thread that tells waiters when their sockets are ready or their time is over, those too who wait on threads of their
/// own (``WaitGuard``), and does nothing else.
///
/// Deadlines live beside the waiters and are swept when the earliest is due, so that a statement that ends in time
/// costs no timer.
final class Reactor: Sendable {
  /// The reactor that all pools of the process share. Its thread starts with the first socket and stays.
  static let shared: Result<Reactor, PostgresError> = {
    do throws(PollerError) {
      #if os(Linux)
        return .success(Reactor(poller: try EpollPoller()))
      #else
        return .success(Reactor(poller: try PollPoller()))
      #endif
    } catch {
      return .failure(PostgresError(.connectionFailed, "the system refused \(error.call) (errno \(error.errno))"))
    }
  }()

  private struct State {
    var registrations: [UInt64: Registration] = [:]
    var alarms: [UInt64: Alarm] = [:]
    var nextID: UInt64 = 1
    /// The instant at which the thread has to look at deadlines; `nil` for none.
    var nextSweep: ContinuousClock.Instant?
    var isRunning = false
    var isStopping = false
  }

  let poller: any ReadinessPoller
  /// Those who wait on threads of their own.
  let waits = WaitGuard(slots: max(2, sysconf(CInt(_SC_NPROCESSORS_ONLN))))
  private let state = NIOLockedValueBox(State())

  init(poller: any ReadinessPoller) {
    self.poller = poller
  }

  /// Watches a duplicate of a descriptor, so that libpq may close its own at any moment.
  /// - Throws: `connectionFailed` when the system has no descriptor or thread left.
  func register(duplicating descriptor: CInt) throws(PostgresError) -> Registration {
    let duplicate = duplicateDescriptor(descriptor)
    guard duplicate >= 0 else { throw Self.refusal("dup") }
    let id = state.withLockedValue { state in
      defer { state.nextID += 1 }
      return state.nextID
    }
    do {
      try poller.add(duplicate, id: id)
    } catch {
      closeDescriptor(duplicate)
      throw Self.refusal(error.call)
    }
    let registration = Registration(id: id, descriptor: duplicate, reactor: self)
    state.withLockedValue { $0.registrations[id] = registration }
    guard startIfNeeded() else {
      registration.close()
      throw Self.refusal("pthread_create")
    }
    return registration
  }

  /// Makes an alarm that calls `handler` on the reactor's thread; the handler must not block.
  func makeAlarm(_ handler: @escaping @Sendable () -> Void) -> Alarm {
    let alarm = state.withLockedValue { state in
      defer { state.nextID += 1 }
      let alarm = Alarm(id: state.nextID, reactor: self, handler: handler)
      state.alarms[state.nextID] = alarm
      return alarm
    }
    _ = startIfNeeded()
    return alarm
  }

  /// Sees to it that the thread looks at deadlines at `instant` at the latest.
  func sweep(by instant: ContinuousClock.Instant) {
    let isEarlier = state.withLockedValue { state in
      if let next = state.nextSweep, next <= instant { return false }
      state.nextSweep = instant
      return true
    }
    if isEarlier { poller.wake() }
  }

  func forget(registration id: UInt64) {
    state.withLockedValue { _ = $0.registrations.removeValue(forKey: id) }
  }

  func forget(alarm id: UInt64) {
    state.withLockedValue { _ = $0.alarms.removeValue(forKey: id) }
  }

  /// Ends the thread; only for reactors of tests, once nothing is registered any more.
  func stop() {
    let wasRunning = state.withLockedValue { state in
      state.isStopping = true
      return state.isRunning
    }
    if wasRunning { poller.wake() } else { poller.close() }
  }

  private func startIfNeeded() -> Bool {
    let mustStart = state.withLockedValue { state in
      guard !state.isRunning, !state.isStopping else { return false }
      state.isRunning = true
      return true
    }
    guard mustStart else { return true }
    if SystemThread.start({ self.run() }) { return true }
    state.withLockedValue { $0.isRunning = false }
    return false
  }

  private func run() {
    var ready: [UInt64] = []
    while true {
      let (isStopping, nextSweep) = state.withLockedValue { ($0.isStopping, $0.nextSweep) }
      if isStopping { break }
      ready.removeAll(keepingCapacity: true)
      poller.wait(milliseconds: nextSweep.map(Self.milliseconds(until:)) ?? -1, into: &ready)
      for id in ready {
        let registration = state.withLockedValue { $0.registrations[id] }
        registration?.report()
      }
      sweepIfDue()
    }
    poller.close()
  }

  private func sweepIfDue() {
    let now = ContinuousClock.now
    let due = state.withLockedValue { state -> ([Registration], [Alarm])? in
      guard let next = state.nextSweep, next <= now else { return nil }
      state.nextSweep = nil
      return (Array(state.registrations.values), Array(state.alarms.values))
    }
    guard let (registrations, alarms) = due else { return }
    var later = waits.tick(now: now)
    func note(_ instant: ContinuousClock.Instant?) {
      if let instant { later = later.map { min($0, instant) } ?? instant }
    }
    for registration in registrations { note(registration.expire(now: now)) }
    for alarm in alarms { note(alarm.expire(now: now)) }
    // This thread looks at it before it waits again, and need not wake itself.
    if let later {
      state.withLockedValue { $0.nextSweep = $0.nextSweep.map { min($0, later) } ?? later }
    }
  }

  /// Rounded up, so that the thread does not wake just before the instant and spin.
  private static func milliseconds(until instant: ContinuousClock.Instant) -> CInt {
    let (seconds, attoseconds) = (instant - ContinuousClock.now).components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    guard seconds < 86_400 else { return 86_400_000 }
    return CInt(seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
  }

  private static func refusal(_ call: String) -> PostgresError {
    PostgresError(
      .connectionFailed, "the system refused \(call): this process may have reached its limit of open files or threads")
  }
}
