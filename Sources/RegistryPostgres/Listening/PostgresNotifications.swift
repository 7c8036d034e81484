/// What comes on one channel, for as long as it is iterated over.
///
/// Each iteration is a subscription of its own: it begins with the iterator and ends with it. The first element is
/// ``Element/resumed``: from there on the server holds nothing back. The sequence ends when the task is cancelled or the
/// listener shuts down.
///
/// A subscriber that does not keep up loses notifications, never the knowledge that there were some: past
/// ``PostgresListener/Configuration/maximumBuffered`` elements all that wait for it become one ``Element/resumed``.
public struct PostgresNotifications: AsyncSequence, Sendable {
  /// What a subscriber is told.
  public enum Element: Sendable, Hashable {
    /// A NOTIFY, in the order in which they were committed.
    case notification(PostgresNotification)
    /// Notifications may have been missed before this point, so look at what they would have told of. Comes first of
    /// all, after a lost connection has been replaced, and in the place of notifications that were not taken in time.
    case resumed
    /// Nothing came for the time that was asked for in `atLeastEvery`; look all the same.
    case elapsed
  }

  /// Nothing is thrown; ``PostgresListener/failure`` says what keeps the listener from listening.
  public typealias Failure = Never

  let listener: PostgresListener
  let channel: String
  let interval: Duration?

  /// Subscribes.
  /// - Returns: an iterator, whose end is the subscription's.
  public func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(subscription: Subscription(listener, channel), interval: interval)
  }

  /// One subscription, for one task.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let subscription: Subscription
    let interval: Duration?

    /// Waits for the next element.
    /// - Returns: the element; `nil` once the task is cancelled or the listener shuts down, and for a second caller at
    ///   the same time, which is a mistake.
    public mutating func next() async -> Element? {
      await subscription.next(within: interval)
    }

    /// Waits for the next element on the caller's own actor.
    /// - Parameter actor: the caller's actor.
    /// - Returns: as ``next()``.
    public mutating func next(isolation actor: isolated (any Actor)?) async -> Element? {
      await subscription.next(within: interval)
    }
  }

  /// Leaves with its last owner.
  final class Subscription: Sendable {
    private let listener: PostgresListener
    private let id: ListenerStateMachine.SubscriptionID

    init(_ listener: PostgresListener, _ channel: String) {
      self.listener = listener
      id = listener.subscribe(to: channel)
    }

    deinit {
      listener.unsubscribe(id)
    }

    func next(within interval: Duration?) async -> Element? {
      await listener.next(id, within: interval)
    }
  }
}
