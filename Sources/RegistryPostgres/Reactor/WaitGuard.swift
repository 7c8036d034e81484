import NIOConcurrencyHelpers
import Synchronization

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif
#if os(Linux)
  import CLibpq
#endif

/// Ends waits that hold a thread too long, at a cost that does not grow with their number.
///
/// To set a timer and take it back costs more than all else that a short wait does. So the waits set none: each says at
/// which tick of a common clock it is over, and watches a bell beside its socket. The clock ticks on the reactor's thread,
/// and only while there are waits.
final class WaitGuard: Sendable {
  /// One wait at a time.
  private final class Slot: Sendable {
    let bell: CInt
    /// The tick at which the wait is over; ``nobody`` and ``rung`` besides.
    let end = Atomic<UInt64>(Slot.nobody)

    static let nobody: UInt64 = 0
    /// The bell has been rung, or is about to be.
    static let rung = UInt64.max

    init(bell: CInt) {
      self.bell = bell
    }

    deinit {
      closeDescriptor(bell)
    }
  }

  /// Between two ticks. A wait lasts as long as it may, and less than two ticks longer.
  static let interval: Duration = .milliseconds(2)

  private let slots: [Slot]
  /// A bit for each slot that is in use.
  private let taken = Atomic<UInt64>(0)
  private let ticks = Atomic<UInt64>(1)
  private let rings = Atomic<Int>(0)
  private let isTicking = Atomic<Bool>(false)
  /// Whether a wait began since the last tick.
  private let wasUsed = Atomic<Bool>(false)
  private let nextTick = NIOLockedValueBox<ContinuousClock.Instant?>(nil)

  /// - Parameter count: how many may wait at once, 64 at most; those beyond set timers of their own.
  init(slots count: Int) {
    var slots: [Slot] = []
    #if os(Linux)
      for _ in 0..<min(count, UInt64.bitWidth) {
        let bell = eventfd(0, CInt(EFD_CLOEXEC))
        guard bell >= 0 else { break }
        slots.append(Slot(bell: bell))
      }
    #endif
    self.slots = slots
  }

  /// Waits on the present thread until there is something to read.
  /// - Parameters:
  ///   - descriptor: the socket, which must stay open meanwhile.
  ///   - limit: how long to wait.
  ///   - reactor: whose thread sees to it that the clock ticks, by ``tick(now:)``.
  /// - Returns: whether there is something, be it the end of the stream.
  func waitToRead(_ descriptor: CInt, limit: Duration, reactor: Reactor) -> Bool {
    guard let place = take() else { return Self.waitByTimer(descriptor, limit: limit) }
    defer { giveBack(place) }
    let slot = slots[place]
    let duration = UInt64(max(0, limit / Self.interval).rounded(.up)) + 1
    // In one order with the look at who ticks, as in `tick`: either this wait starts the clock or the clock sees it.
    slot.end.store(ticks.load(ordering: .relaxed) + duration, ordering: .sequentiallyConsistent)
    if !wasUsed.load(ordering: .relaxed) { wasUsed.store(true, ordering: .relaxed) }
    if !isTicking.load(ordering: .sequentiallyConsistent) { start(reactor) }
    let isReadable = withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 2) { entries in
      entries.initializeElement(at: 0, to: pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
      entries.initializeElement(at: 1, to: pollfd(fd: slot.bell, events: Int16(POLLIN), revents: 0))
      return poll(entries.baseAddress, 2, -1) > 0 && entries[0].revents != 0
    }
    if slot.end.exchange(Slot.nobody, ordering: .acquiringAndReleasing) == Slot.rung {
      // Blocks until the bell is rung in truth, so that it does not ring for the next wait.
      var value: UInt64 = 0
      while read(slot.bell, &value, 8) < 0, errno == EINTR {}
    }
    return isReadable
  }

  /// Called by the reactor when time has passed: ends what is over.
  /// - Returns: when to call again; `nil` while nobody waits.
  func tick(now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
    guard let due = nextTick.withLockedValue({ $0 }) else { return nil }
    guard due <= now else { return due }
    let present = ticks.wrappingAdd(1, ordering: .relaxed).newValue
    for slot in slots {
      let end = slot.end.load(ordering: .sequentiallyConsistent)
      guard end != Slot.nobody, end <= present else { continue }
      if slot.end.compareExchange(expected: end, desired: Slot.rung, ordering: .acquiringAndReleasing).exchanged {
        var one: UInt64 = 1
        _ = write(slot.bell, &one, 8)
        rings.wrappingAdd(1, ordering: .relaxed)
      }
    }
    if wasUsed.exchange(false, ordering: .relaxed) || isInUse { return goOn(now) }
    nextTick.withLockedValue { $0 = nil }
    isTicking.store(false, ordering: .sequentiallyConsistent)
    // One may have come that still saw the clock tick.
    guard isInUse, !isTicking.exchange(true, ordering: .sequentiallyConsistent) else {
      return nextTick.withLockedValue { $0 }
    }
    return goOn(now)
  }

  /// How often the clock has ticked.
  var tickCount: UInt64 { ticks.load(ordering: .relaxed) - 1 }

  /// How many waits the clock has ended.
  var ringCount: Int { rings.load(ordering: .relaxed) }

  /// Whether no bell sounds that nobody would hear out.
  var isSilent: Bool {
    slots.allSatisfy {
      var entry = pollfd(fd: $0.bell, events: Int16(POLLIN), revents: 0)
      return poll(&entry, 1, 0) == 0
    }
  }

  private var isInUse: Bool { slots.contains { $0.end.load(ordering: .sequentiallyConsistent) != Slot.nobody } }

  private func start(_ reactor: Reactor) {
    guard !isTicking.exchange(true, ordering: .sequentiallyConsistent) else { return }
    reactor.sweep(by: goOn(.now))
  }

  private func goOn(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant {
    let next = now + Self.interval
    nextTick.withLockedValue { $0 = next }
    return next
  }

  private func take() -> Int? {
    var present = taken.load(ordering: .relaxed)
    while true {
      let place = (~present).trailingZeroBitCount
      guard place < slots.count else { return nil }
      let (isTaken, found) = taken.weakCompareExchange(
        expected: present, desired: present | 1 << UInt64(place), ordering: .acquiring)
      if isTaken { return place }
      present = found
    }
  }

  private func giveBack(_ place: Int) {
    taken.bitwiseAnd(~(1 << UInt64(place)), ordering: .releasing)
  }

  private static func waitByTimer(_ descriptor: CInt, limit: Duration) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    #if os(Linux)
      return registry_poll_for(&entry, Int(limit / .nanoseconds(1))) > 0
    #else
      return poll(&entry, 1, 1) > 0
    #endif
  }
}
