import CLibpq
import NIOConcurrencyHelpers

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Why a waiter goes on.
enum Wakeup: Sendable, Hashable {
  case ready, timedOut, cancelled, closed
}

/// One socket known to the reactor, under an id of its own, with one waiter at most.
///
/// The waiter's continuation is taken out under the lock before it is resumed, hence resumed exactly once, whichever of
/// readiness, deadline, cancellation and closing comes first.
final class Registration: Sendable {
  private struct State {
    var waiter: CheckedContinuation<Wakeup, Never>?
    var deadline: ContinuousClock.Instant?
    var observesCancellation = false
    var isClosed = false

    mutating func takeWaiter() -> CheckedContinuation<Wakeup, Never>? {
      deadline = nil
      defer { waiter = nil }
      return waiter
    }
  }

  let id: UInt64
  private let descriptor: CInt
  private let reactor: Reactor
  private let state = NIOLockedValueBox(State())

  init(id: UInt64, descriptor: CInt, reactor: Reactor) {
    self.id = id
    self.descriptor = descriptor
    self.reactor = reactor
  }

  /// Waits until the socket is ready.
  /// - Parameters:
  ///   - interest: to read, to write, or whichever comes first.
  ///   - deadline: when to give up; `nil` waits for ever.
  ///   - observingCancellation: whether the task's cancellation, or ``cancel()``, ends the wait.
  ///   - isolation: the caller's actor, so that the wait begins without leaving it.
  /// - Returns: why it ended; `closed` also for a second waiter at the same time, which is a mistake of the caller.
  func wait(
    for interest: Interest, until deadline: ContinuousClock.Instant?, observingCancellation: Bool,
    isolation: isolated (any Actor)? = #isolation
  ) async -> Wakeup {
    await withCheckedContinuation { continuation in
      let wakeup = state.withLockedValue { state -> Wakeup? in
        guard !state.isClosed, state.waiter == nil else { return .closed }
        // Read under the lock that `cancel()` takes: a cancellation is either seen here or finds the waiter.
        if observingCancellation, Task.isCancelled { return .cancelled }
        // Armed under the lock, so that an arming that comes late cannot undo a newer one or touch a closed descriptor.
        do { try reactor.poller.arm(descriptor, id: id, for: interest) } catch { return .closed }
        state.waiter = continuation
        state.deadline = deadline
        state.observesCancellation = observingCancellation
        return nil
      }
      if let wakeup {
        continuation.resume(returning: wakeup)
      } else if let deadline {
        reactor.sweep(by: deadline)
      }
    }
  }

  /// Waits on the present thread until there is something to read.
  ///
  /// The descriptor stays open meanwhile, because the session that waits is the one that would close it.
  /// - Parameters:
  ///   - time: how long to look again and again at first, giving way to other threads; zero to sleep at once.
  ///   - limit: how long to wait in all; to the next ticks of the ``WaitGuard``.
  /// - Returns: how it ended; the end of the stream is an answer too.
  func waitDirectly(lookingFor time: Duration, limit: Duration) -> DirectWait.Ending {
    guard state.withLockedValue({ !$0.isClosed && $0.waiter == nil }) else { return .unanswered }
    if time > .zero {
      var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let end = ContinuousClock.now + time
      repeat {
        if poll(&entry, 1, 0) != 0 { return .answeredAwake }
        sched_yield()
      } while ContinuousClock.now < end
    }
    return reactor.waits.waitToRead(descriptor, limit: limit - time, reactor: reactor) ? .answeredAsleep : .unanswered
  }

  /// Ends a wait that observes cancellation.
  func cancel() {
    let waiter = state.withLockedValue { $0.observesCancellation ? $0.takeWaiter() : nil }
    waiter?.resume(returning: .cancelled)
  }

  /// Ends any wait and gives the duplicate back.
  func close() {
    let (waiter, isFirst) = state.withLockedValue { state in
      let isFirst = !state.isClosed
      if isFirst {
        state.isClosed = true
        reactor.poller.remove(descriptor, id: id)
        closeDescriptor(descriptor)
      }
      return (state.takeWaiter(), isFirst)
    }
    if isFirst { reactor.forget(registration: id) }
    waiter?.resume(returning: .closed)
  }

  /// Called by the reactor: the socket is ready.
  func report() {
    let waiter = state.withLockedValue { $0.takeWaiter() }
    waiter?.resume(returning: .ready)
  }

  /// Called by the reactor when deadlines may be due.
  /// - Returns: this waiter's deadline if it is still to come.
  func expire(now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
    let (waiter, later) = state.withLockedValue {
      state -> (CheckedContinuation<Wakeup, Never>?, ContinuousClock.Instant?) in
      guard let deadline = state.deadline else { return (nil, nil) }
      return deadline > now ? (nil, deadline) : (state.takeWaiter(), nil)
    }
    waiter?.resume(returning: .timedOut)
    return later
  }

  /// Whether bytes, or the end of the stream, are there to be read; never blocks.
  var isReadable: Bool {
    state.withLockedValue { state in
      guard !state.isClosed else { return true }
      var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      return poll(&entry, 1, 0) != 0
    }
  }
}

/// A second number for the same socket, not inherited by child processes.
func duplicateDescriptor(_ descriptor: CInt) -> CInt {
  fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
}

/// `close`, out of the reach of methods of that name.
func closeDescriptor(_ descriptor: CInt) {
  _ = close(descriptor)
}
