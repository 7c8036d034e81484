import NIOConcurrencyHelpers

/// A clock that rings on the reactor's thread.
final class Alarm: Sendable {
  private let id: UInt64
  private let reactor: Reactor
  private let handler: @Sendable () -> Void
  private let instant = NIOLockedValueBox<ContinuousClock.Instant?>(nil)

  init(id: UInt64, reactor: Reactor, handler: @escaping @Sendable () -> Void) {
    self.id = id
    self.reactor = reactor
    self.handler = handler
  }

  /// Rings once at the instant, in place of what was set before; `nil` silences it.
  func set(_ instant: ContinuousClock.Instant?) {
    self.instant.withLockedValue { $0 = instant }
    if let instant { reactor.sweep(by: instant) }
  }

  /// Takes the alarm off the reactor.
  func close() {
    instant.withLockedValue { $0 = nil }
    reactor.forget(alarm: id)
  }

  /// Called by the reactor when alarms may be due.
  /// - Returns: the instant if it is still to come.
  func expire(now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
    let (rings, later) = instant.withLockedValue { instant -> (Bool, ContinuousClock.Instant?) in
      guard let due = instant else { return (false, nil) }
      if due > now { return (false, due) }
      instant = nil
      return (true, nil)
    }
    if rings { handler() }
    return later
  }
}
