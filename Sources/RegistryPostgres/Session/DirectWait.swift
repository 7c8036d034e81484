import Synchronization

/// Decides whether a session waits for an answer on the thread it has, instead of being suspended until the reactor
/// reports it.
///
/// A point query is answered in less time than two hand-offs between threads take. A thread of Swift's pool must not be
/// held for long, though: so one thread of the process at a time waits like this, for a bounded time, and a session
/// whose answers take longer stops trying for a while.
struct DirectWait {
  /// How far a wait may go.
  enum Manner: Sendable {
    /// Not at all: many callers wait, and the thread has other work.
    case never
    /// Sleeping in the kernel.
    case asleep
    /// Looking again and again before sleeping: a lone caller has nothing else to do, and waking up takes as long as the
    /// query.
    case awake
  }

  /// How many callers at most share a batch whose answer is waited for directly.
  static let maximumCallers = 1024
  /// How long to look before sleeping.
  static let awakeTime: Duration = .microseconds(50)

  /// How long a wait may take; zero for never.
  let limit: Duration
  var manner = Manner.never
  private var misses = 0
  private var skips = 0
  private static let isTaken = Atomic(false)

  init(limit: Duration) {
    self.limit = limit
  }

  /// Whether to wait directly now; if so, `end(wasAnswered:)` must follow.
  mutating func begin() -> Bool {
    guard manner != .never, limit > .zero else { return false }
    guard skips == 0 else {
      skips -= 1
      return false
    }
    return Self.isTaken.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
  }

  /// The wait is over; in vain once is left out once, in vain again twice as often, 255 times at most.
  mutating func end(wasAnswered: Bool) {
    Self.isTaken.store(false, ordering: .releasing)
    misses = wasAnswered ? 0 : min(misses + 1, 8)
    skips = wasAnswered ? 0 : (1 << misses) - 1
  }
}
