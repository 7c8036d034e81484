import Synchronization

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Decides whether a session waits for an answer on the thread it has, instead of being suspended until the reactor
/// reports it.
///
/// A point query is answered in less time than two hand-offs between threads take, and a batch whose driver keeps its
/// thread gives its callers no reason to move to another. Threads of Swift's pool must not be held for long, though: a
/// wait is bounded, and a session whose answers take longer stops trying for a while.
struct DirectWait {
  /// How far a wait may go.
  enum Manner: Sendable {
    /// Not at all: nobody waits for an answer.
    case never
    /// Sleeping in the kernel.
    case asleep
    /// Looking again and again before sleeping: a lone caller has nothing else to do, and waking up takes as long as the
    /// query.
    case awake
  }

  /// How a wait ended.
  enum Ending: Sendable {
    /// Answered while looking, or while sleeping.
    case answeredAwake, answeredAsleep
    case unanswered
  }

  /// Leaves out what was in vain: once after the first time, twice as often after each further one, 255 times at most.
  private struct Trust {
    private var misses = 0
    private var skips = 0

    mutating func isGiven() -> Bool {
      guard skips > 0 else { return true }
      skips -= 1
      return false
    }

    mutating func note(wasInVain: Bool) {
      misses = wasInVain ? min(misses + 1, 8) : 0
      skips = (1 << misses) - 1
    }
  }

  /// How many threads may wait at once.
  final class Seats: Sendable {
    /// Those of the process; Swift's pool has a thread for each processor.
    static let shared = Seats(min(processors, max(2, processors / 2)))

    private let taken = Atomic(0)
    private let count: Int

    init(_ count: Int) {
      self.count = count
    }

    func take() -> Bool {
      if taken.wrappingAdd(1, ordering: .relaxed).oldValue < count { return true }
      giveBack()
      return false
    }

    func giveBack() {
      taken.wrappingSubtract(1, ordering: .relaxed)
    }
  }

  /// How many use the connections of one pool at the moment. A thread that waits for one of them cannot serve another, so
  /// only a lone user waits directly.
  final class Users: Sendable {
    private let count = Atomic(0)

    func come() { count.wrappingAdd(1, ordering: .relaxed) }
    func go() { count.wrappingSubtract(1, ordering: .relaxed) }
    var areSeveral: Bool { count.load(ordering: .relaxed) > 1 }
  }

  /// How long to look before sleeping: longer than a point query takes on a slow virtual machine, 80 µs, which sleeping and
  /// waking up make 180. A look in vain costs a processor as long, and hardly any time where the server has another one.
  private static let awakeTime: Duration = .microseconds(200)
  private static let processors = max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN)))

  /// How long a wait may take; zero for never.
  let limit: Duration
  var manner = Manner.never
  private let seats: Seats
  private let users: Users?
  private var answers = Trust()
  private var looks = Trust()
  /// How many waits held the thread one after the other.
  private var held = 0

  /// - Parameters:
  ///   - limit: how long a wait may take; zero for never.
  ///   - users: who else uses connections beside this one; `nil` where all of them share this connection's batches.
  ///   - seats: how many threads may wait at once.
  init(limit: Duration, users: Users? = nil, seats: Seats = .shared) {
    self.limit = limit
    self.users = users
    self.seats = seats
  }

  /// Whether to wait directly now; if so, ``end(_:lookedFor:)`` must follow.
  /// - Returns: how long to look before sleeping; `nil` for no direct wait.
  mutating func begin() -> Duration? {
    guard manner != .never, limit > .zero, users?.areSeveral != true, held < Self.maximumHeld, answers.isGiven(),
      seats.take()
    else {
      return nil
    }
    // On a single processor the server cannot answer while this thread looks.
    guard manner == .awake, Self.processors > 1, looks.isGiven() else { return .zero }
    return min(limit, Self.awakeTime)
  }

  /// The wait is over.
  mutating func end(_ ending: Ending, lookedFor time: Duration) {
    seats.giveBack()
    held += 1
    if time > .zero { looks.note(wasInVain: ending != .answeredAwake) }
    answers.note(wasInVain: ending == .unanswered)
  }

  /// The session has let go of its thread.
  mutating func letGo() {
    held = 0
  }

  /// Whether the thread was held so often in a row that others must have a turn; asked once, it begins anew.
  mutating func isOverdrawn() -> Bool {
    guard held >= Self.maximumHeld else { return false }
    held = 0
    return true
  }

  /// A task that is never suspended keeps its thread from all others.
  private static let maximumHeld = 8
}
