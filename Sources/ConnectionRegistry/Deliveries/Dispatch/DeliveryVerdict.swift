import Foundation

/// What one attempt means for its delivery and its endpoint: decided here, written elsewhere.
struct DeliveryVerdict: Sendable, Hashable {
  /// What becomes of the delivery.
  enum Next: Sendable, Hashable {
    case delivered
    /// It is tried again then, and what stands behind it waits as long.
    case retry(at: Date)
    /// Three days are over; what stands behind it goes on.
    case givenUp
  }

  var next: Next
  /// How many attempts there were, this one included.
  var attempts: Int
  /// Until when the endpoint is to be left alone altogether.
  var pausedUntil: Date?
  /// Why the endpoint is disabled, where it is.
  var disables: Endpoint.DisabledReason?

  /// Judges an attempt.
  ///
  /// - Parameters:
  ///   - outcome: what became of it.
  ///   - attempts: how many there were before.
  ///   - dueSince: since when the delivery has been due.
  ///   - failingSince: since when the endpoint has failed without a success; nil if it has not.
  ///   - now: the time.
  ///   - settings: schedule and limits.
  ///   - chance: where in the jitter to be, from 0 to 1.
  init(
    _ outcome: DeliveryOutcome, attempts: Int, dueSince: Date, failingSince: Date?, at now: Date,
    settings: DeliveryConfiguration, chance: Double
  ) {
    self.attempts = attempts + 1
    guard case .failed(let failure) = outcome else {
      next = .delivered
      return
    }
    let pause = settings.schedule.pause(
      after: self.attempts, age: .seconds(now.timeIntervalSince(dueSince)), chance: chance,
      retryAfter: failure.retryAfter)
    if let pause {
      next = .retry(at: now.addingTimeInterval(pause.inSeconds))
    } else {
      next = .givenUp
    }
    pausedUntil = failure.retryAfter.map { now.addingTimeInterval($0.inSeconds) }
    if failure.reason == .gone {
      disables = .gone
    } else if let failingSince, now.timeIntervalSince(failingSince) >= settings.disabledAfter.inSeconds {
      disables = .failing
    }
  }
}
