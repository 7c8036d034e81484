import Foundation
import RegistryPostgres
import ServiceLifecycle

/// One reader on its way through the feed.
struct ChangeReader: Sendable {
  let changes: Changes
  let tenantID: UUID
  let limit: Int
  private(set) var place: ChangePosition
  /// Held from before the first look on, so that no commit falls between a look and the wait for the next.
  let subscription: ChangeWaker.Subscription

  /// The first pause before looking again for a change that is held back; it doubles up to ``longestPause``.
  private static let shortestPause: Duration = .milliseconds(10)
  private static let longestPause: Duration = .seconds(1)

  init(
    changes: Changes, tenantID: UUID, limit: Int, place: ChangePosition, subscription: ChangeWaker.Subscription
  ) {
    self.changes = changes
    self.tenantID = tenantID
    self.limit = limit
    self.place = place
    self.subscription = subscription
  }

  /// Whether nobody is to wait any more, because the registry or the reader's task shuts down.
  var isOver: Bool { changes.waker.isFinished || Task.isShuttingDownGracefully }

  /// The next changes; none once the deadline is over or nobody is to wait any more.
  ///
  /// - Throws: as `Changes.read`; `CancellationError`.
  mutating func next(until deadline: ContinuousClock.Instant? = nil) async throws -> ChangeBatch {
    var pause = Self.shortestPause
    while true {
      let seen = subscription.wakeUps
      let batch: ChangeBatch
      do {
        batch = try await changes.read(tenantID, after: place, limit: limit)
      } catch  where Task.isCancelled {
        throw CancellationError()
      }
      place = batch.next
      let rest = deadline.map { ContinuousClock.now.duration(to: $0) }
      guard batch.changes.isEmpty, rest.map({ $0 > .zero }) ?? true, !isOver else { return batch }
      // What is held back comes without a notification: when the transaction ends that holds it.
      let isHeld = batch.heldSince != nil
      let time = isHeld ? pause : changes.waker.interval
      pause = isHeld ? min(pause * 2, Self.longestPause) : Self.shortestPause
      try await subscription.wakeUp(past: seen, within: min(time, rest ?? time))
    }
  }
}
